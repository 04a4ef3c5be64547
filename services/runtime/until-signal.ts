// How a program is asked to end.

/** A second Ctrl-C after this time ends at once. Before, it is the same one: npm passes on what the terminal has sent already. */
const sameSignalMs = 1_000;

/** Resolves when the process is told to end in order. Who tells it again means it. */
export function untilSignal(): Promise<undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  let firstMs: number | undefined;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      firstMs ??= performance.now();
      if (performance.now() - firstMs > sameSignalMs) process.exit(130);
      resolve(undefined);
    });
  }
  return promise;
}
