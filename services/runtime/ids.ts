// TypeIDs: a prefix that says what it names, and a UUIDv7, so that they sort by time and read well in logs.
// Specification: https://github.com/jetify-com/typeid
import { TypeID, typeidUnboxed } from "typeid-js";

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

/** A new id such as ord_01h455vb4pex5vsknk084sn02q. */
export function newId(prefix: IdPrefix): string {
  return typeidUnboxed(prefix);
}

/** Milliseconds since 1970 inside a TypeID's UUIDv7; undefined where the text is no TypeID. */
export function timeOfId(id: string): number | undefined {
  try {
    return Number.parseInt(TypeID.fromString(id).toUUID().replaceAll("-", "").slice(0, 12), 16);
  } catch {
    return undefined;
  }
}
