// Three groups, one after the other: everything that computes shares the cores and one module graph per worker; two networks in real time, each in one
// process, go side by side; the network of many processes has the machine to itself.
import { defineConfig } from "vitest/config"

const oneProcess = "test/process/{cli-infer,example}.process.test.ts"
const manyProcesses = "test/process/chaos.process.test.ts"

export default defineConfig({
  test: {
    pool: "forks",
    isolate: false,
    // no test asserts how long anything takes: a slow machine must not fail one
    testTimeout: 60_000,
    poolOptions: { forks: { isolate: false, minForks: 2, maxForks: 2 } },
    projects: [
      {
        extends: true,
        test: { name: "compute", include: ["test/**/*.test.ts"], exclude: [oneProcess, manyProcesses], sequence: { groupOrder: 0 } }
      },
      { extends: true, test: { name: "real-time", include: [oneProcess], sequence: { groupOrder: 1 } } },
      {
        extends: true,
        test: { name: "processes", include: [manyProcesses], sequence: { groupOrder: 2 }, poolOptions: { forks: { singleFork: true } } }
      }
    ]
  }
})
