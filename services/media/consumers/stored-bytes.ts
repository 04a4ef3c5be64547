import { buffer } from "node:stream/consumers";
import type { FileStore } from "../provider/contract.ts";

/** All of a file that a row names. */
export async function storedBytes(store: FileStore, name: string): Promise<Buffer> {
  const file = await store.open(name);
  if (!file) throw new Error(`${name} is not in the store, although its row is there`);
  return buffer(file.chunks({ start: 0, end: file.size }));
}
