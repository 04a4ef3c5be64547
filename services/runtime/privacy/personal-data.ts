// What a service says of the data that it keeps about a person.
import type { JsonObject } from "@bufbuild/protobuf";

/** Whose data are asked for, in the tenant of the request at hand. */
export interface Person {
  tenant: string;
  customerId: string;
  /** Of these orders of the customer, and nothing else; empty asks for what is kept of the customer itself. */
  orderIds: readonly string[];
}

export interface PersonalRecord {
  /** Such as "order". */
  kind: string;
  id: string;
  content: JsonObject;
}

/** Something that identifies an erased person and is still there. */
export interface Remainder {
  kind: string;
  id: string;
  /** What it waits for, such as a state; "SOON" where it is being erased. */
  reason: string;
}

export interface PersonalData {
  /** One page, and the key after which the next begins; no key on the last. A page holds at most recordsMax records. */
  list(person: Person, after: string | undefined): Promise<{ records: PersonalRecord[]; next?: string | undefined }>;
  /** Some of what is left of an erased person, at most remaindersMax; none where all is done. */
  remainders(person: Person): Promise<Remainder[]>;
}

export const recordsMax = 200;

/** A page of what was read by growing keys, of which one more was asked for than a page holds. */
export function pageOf<Row extends PersonalRecord>(
  rows: readonly Row[],
  keyOf: (row: Row) => string,
): { records: PersonalRecord[]; next: string | undefined } {
  const page = rows.slice(0, recordsMax);
  const last = rows.length > recordsMax ? page.at(-1) : undefined;
  return { records: page.map(({ kind, id, content }) => ({ kind, id, content })), next: last && keyOf(last) };
}

export const remaindersMax = 20;
