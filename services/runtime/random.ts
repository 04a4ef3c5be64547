// Random bytes cost much less in thousands than by eights, and every call and every event needs some.
import { randomFillSync } from "node:crypto";

const pool = Buffer.alloc(4_096);
let used = pool.length;

/** From a cryptographic source, each byte given once. A view of what is filled anew: use it before anything else is asked for. */
export function randomView(bytes: number): Buffer {
  if (used + bytes > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += bytes;
  return pool.subarray(used - bytes, used);
}

export const randomHex = (bytes: number): string => randomView(bytes).toString("hex");
