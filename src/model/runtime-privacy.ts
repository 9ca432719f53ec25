/**
 * Keeps the ONNX runtime from reporting to its maker.
 *
 * Since 1.29 its official builds for Linux and macOS send model names, hashes and run times to a collector of Microsoft, keep a device id under the home
 * folder and files in the temporary folder, unless this variable is set before the library is loaded. It is read by the native code of this process and
 * of its children, so it is set here, in the main thread, by everything that may start a model worker.
 * Contract: importing this file is enough. A user who sets the variable to something else is overruled.
 * Source: onnxruntime pull request 27379 (ORT_DISABLE_TELEMETRY); tried with 1.30.0: with it no device id, cache or log appears; departures: none.
 *
 * @module
 */

process.env["ORT_DISABLE_TELEMETRY"] = "1"
