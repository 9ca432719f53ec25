// Two groups, one after the other: everything that computes shares the cores and one module graph per worker; what runs networks in real time or
// measures has the machine to itself.
import { defineConfig } from "vitest/config"

const realTime = "test/process/{bench,chaos,cli-infer,cluster,example}.process.test.ts"

export default defineConfig({
  test: {
    pool: "forks",
    isolate: false,
    poolOptions: { forks: { isolate: false, minForks: 2, maxForks: 2 } },
    projects: [
      { extends: true, test: { name: "compute", include: ["test/**/*.test.ts"], exclude: [realTime], sequence: { groupOrder: 0 } } },
      {
        extends: true,
        test: { name: "real-time", include: [realTime], sequence: { groupOrder: 1 }, poolOptions: { forks: { singleFork: true } } }
      }
    ]
  }
})
