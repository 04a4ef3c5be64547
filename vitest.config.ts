import { defineConfig } from "vitest/config";

/** Processes that are killed, clusters that elect, browsers and hundreds of watchers: they need the machine for themselves. */
const heavy = [
  "test/faults/**/*.test.ts",
  "test/cluster/**/*.test.ts",
  "test/security/transport.test.ts",
  "test/browser/**/*.test.ts",
  "test/e2e/watch.test.ts",
];

export default defineConfig({
  test: {
    globalSetup: ["test/support/global-setup.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: "mesh",
          include: ["services/**/*.test.ts", "test/**/*.test.ts"],
          exclude: heavy,
          // Real servers and two cores: more workers only wait for each other.
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: "faults",
          include: heavy,
          maxWorkers: 1,
          // Of the tests of one file that may run side by side.
          maxConcurrency: 2,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
