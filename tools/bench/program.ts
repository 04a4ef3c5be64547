// How every benchmark ends: with the reason in one sentence where it could not measure.
export async function runBenchmark(main: () => Promise<void>): Promise<never> {
  try {
    await main();
  } catch (error) {
    console.error((error as Error).message);
    process.exit(1);
  }
  process.exit(0);
}
