// Files of the store as streams of parts.
import { rangeOf } from "../domain/range.ts";
import type { FileStore } from "../provider/contract.ts";
import { notInStore } from "../provider/missing.ts";
import { rangeNotSatisfiable } from "./refusals.ts";

export interface Wanted {
  name: string;
  contentType: string;
  /** With its quotes. */
  etag: string;
  readOffset: bigint;
  readLimit: bigint;
}

export interface Part {
  content: { contentType: string; data: Uint8Array };
  etag?: string;
  bytesTotal?: bigint;
}

/** The first part has no bytes, so that whoever wants to know about a file alone need not read it. Throws where the file has gone. */
export async function* download(store: FileStore, wanted: Wanted): AsyncGenerator<Part> {
  const { name, contentType, etag, readOffset, readLimit } = wanted;
  const file = await store.open(name);
  if (!file) throw notInStore(name);
  const range = rangeOf(file.size, { offset: Number(readOffset), limit: Number(readLimit) });
  if (!range) throw rangeNotSatisfiable(file.size);
  yield { content: { contentType, data: new Uint8Array() }, etag, bytesTotal: BigInt(file.size) };
  for await (const data of file.chunks(range)) yield { content: { contentType, data } };
}
