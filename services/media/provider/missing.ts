/** Of a file that a row names. */
export const notInStore = (name: string): Error => new Error(`${name} is not in the store, although its row is there`);

/** What is not there may be missing; every other trouble with a file is told. */
export function ignoreMissing(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
  throw error;
}
