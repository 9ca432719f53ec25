#!/usr/bin/env node
import "../dist/actors/main.js"
