// TypeIDs: a prefix that says what it names, and a UUIDv7, so that they sort by time and read well in logs.
// Specification: https://github.com/jetify-com/typeid
import { TypeID } from "typeid-js";
import { randomView } from "./random.ts";

export type IdPrefix =
  | "evt"
  | "req"
  | "ord"
  | "prod"
  | "mov"
  | "pay"
  | "led"
  | "shp"
  | "rule"
  | "lst"
  | "due"
  | "ltr"
  | "rdr"
  | "vio"
  | "tok"
  | "ses"
  | "cli"
  | "cus"
  | "adr"
  | "cns"
  | "key"
  | "trv"
  | "ntf"
  | "whe"
  | "whd"
  | "chg"
  | "rtn";

/**
 * A new id such as ord_01h455vb4pex5vsknk084sn02q. Ids that one process makes ascend, also within a millisecond and where its clock goes
 * back. Made here, because the library reads back each id that it writes: several for every order were a thirtieth of the mesh's work.
 */
export function newId(prefix: IdPrefix): string {
  return `${prefix}_${base32(nextUuid())}`;
}

const uuid = new Uint8Array(16);
let lastMs = 0;
let counter = 0;

/**
 * The next UUID, version 7: the time, then a counter that begins each millisecond at a random number, then random bits.
 * RFC 9562, sections 5.7 and 6.2 (method 1). Overwritten by the next.
 */
function nextUuid(): Uint8Array {
  const random = randomView(10);
  const nowMs = Date.now();
  if (nowMs > lastMs) {
    lastMs = nowMs;
    // Its highest bit is 0, so that it has room to ascend.
    counter = random.readUInt32BE(6) >>> 1;
  } else {
    counter = (counter + 1) >>> 0;
    if (counter === 0) lastMs += 1;
  }
  uuid[0] = lastMs / 2 ** 40;
  uuid[1] = lastMs / 2 ** 32;
  uuid[2] = lastMs / 2 ** 24;
  uuid[3] = lastMs / 2 ** 16;
  uuid[4] = lastMs / 2 ** 8;
  uuid[5] = lastMs;
  // Of the counter's 32 bits 12 stand beside the version and 20 behind the variant.
  uuid[6] = 0x70 | (counter >>> 28);
  uuid[7] = counter >>> 20;
  uuid[8] = 0x80 | ((counter >>> 14) & 0x3f);
  uuid[9] = counter >>> 6;
  uuid[10] = ((counter & 0x3f) << 2) | ((random[0] ?? 0) & 3);
  for (let index = 11; index < 16; index += 1) uuid[index] = random[index - 10] ?? 0;
  return uuid;
}

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz";
/** Two letters for each ten bits. */
const pairs = Array.from({ length: 1_024 }, (_, bits) => `${alphabet[bits >> 5]}${alphabet[bits & 31]}`);

/** 26 letters: two bits of nothing and the 128 of the UUID, five a letter. */
function base32(bytes: Uint8Array): string {
  const byte = (index: number): number => bytes[index] ?? 0;
  let text = pairs[byte(0)] ?? "";
  for (let at = 1; at < bytes.length; at += 5) {
    const high = (byte(at) << 12) | (byte(at + 1) << 4) | (byte(at + 2) >> 4);
    const low = ((byte(at + 2) & 15) << 16) | (byte(at + 3) << 8) | byte(at + 4);
    text += `${pairs[high >> 10]}${pairs[high & 1_023]}${pairs[low >> 10]}${pairs[low & 1_023]}`;
  }
  return text;
}

/** Milliseconds since 1970 inside a TypeID's UUIDv7; undefined where the text is no TypeID. */
export function timeOfId(id: string): number | undefined {
  try {
    return Number.parseInt(TypeID.fromString(id).toUUID().replaceAll("-", "").slice(0, 12), 16);
  } catch {
    return undefined;
  }
}
