// Holds a service's audit log against its seals, and both against the copies of the seals that were kept elsewhere.
import { sql, type Kysely } from "kysely";
import type { Position } from "../events/relay-store.ts";
import { entryHash, type AuditEntry } from "./entry.ts";
import { hashBytes, noHash, sealHash, type Seal } from "./seal.ts";
import { readSeals } from "./seal-store.ts";

export interface TamperFinding {
  service: string;
  kind: "entry_removed" | "entry_altered" | "entry_added" | "seal_removed" | "seal_altered" | "seal_added";
  /** In a sentence, with the entry or the seal. */
  message: string;
}

export interface VerifiedLog {
  service: string;
  entries: number;
  seals: number;
  /** Of the seals, those with a copy elsewhere. */
  copies: number;
  /** Entries that no seal protects yet. */
  unsealed: number;
  findings: TamperFinding[];
}

export interface VerifyOptions {
  service: string;
  /** Seals as they were told, by number; of several under one number all. */
  copies: ReadonlyMap<number, readonly Seal[]>;
  /** What was sealed before may have gone with its partition. */
  retainedSince: Date;
}

interface StoredEntry extends AuditEntry, Position {
  timeMicroseconds: number;
  hash: Buffer;
}

const sealsAtOnce = 20;
const entriesAtOnce = 2_000;

export async function verifyLog<Tables>(db: Kysely<Tables>, options: VerifyOptions): Promise<VerifiedLog> {
  const { service, copies } = options;
  const log: VerifiedLog = { service, entries: 0, seals: 0, copies: 0, unsealed: 0, findings: [] };
  const note = (kind: TamperFinding["kind"], message: string): void => void log.findings.push({ service, kind, message });
  const newestCopy = Math.max(0, ...copies.keys());
  let at: Position = { xid: "0", id: 0 };
  let previousHash: Buffer = noHash;
  let expected = 1;
  /** Answers the number of the next. */
  const take = async (number: number, stored?: Seal): Promise<number> => {
    const told = copies.get(number) ?? [];
    checkSeal({ number, stored, told, previousHash }, note);
    log.seals += stored ? 1 : 0;
    log.copies += told.length > 0 ? 1 : 0;
    // What was told lies where the database's owner does not reach, so it is the one to go by.
    const seal = told[0] ?? stored;
    if (!seal) return number + 1;
    const entries = await readEntries(db, at, { xid: seal.lastXid, id: seal.lastId });
    checkEntries(seal, entries, { note, isPastRetention: seal.timeMs < options.retainedSince.getTime() });
    log.entries += entries.length;
    at = { xid: seal.lastXid, id: seal.lastId };
    previousHash = seal.hash;
    return number + 1;
  };
  for (let page = await nextPage(); page.length > 0; page = await nextPage()) {
    for (const seal of page) {
      while (expected < seal.number) expected = await take(expected);
      expected = await take(seal.number, seal);
    }
  }
  while (expected <= newestCopy) expected = await take(expected);
  for (let rest = await readEntries(db, at); rest.length > 0; rest = await readEntries(db, at)) {
    for (const entry of rest) if (!isItself(entry)) note("entry_altered", `${named(entry)} is not what its own hash says`);
    log.unsealed += rest.length;
    at = rest.at(-1) ?? at;
  }
  return log;

  function nextPage(): Promise<Seal[]> {
    return readSeals(db, { service, after: expected - 1, rowsMax: sealsAtOnce });
  }
}

type Note = (kind: TamperFinding["kind"], message: string) => void;

interface SealToCheck {
  number: number;
  stored: Seal | undefined;
  told: readonly Seal[];
  previousHash: Buffer;
}

function checkSeal({ number, stored, told, previousHash }: SealToCheck, note: Note): void {
  const [first, ...others] = told;
  if (others.some((other) => !other.hash.equals(first?.hash ?? noHash))) {
    note("seal_added", `the stream holds seal ${number} more than once, and not the same`);
  }
  if (first && !sealHash(first).equals(first.hash))
    note("seal_altered", `seal ${number} in the stream is not what its hash says`);
  if (!stored) {
    note("seal_removed", `seal ${number} is missing${first ? ", and the stream has it" : ""}`);
    return;
  }
  if (!sealHash(stored).equals(stored.hash)) note("seal_altered", `seal ${number} is not what its own hash says`);
  else if (first && !stored.hash.equals(first.hash)) note("seal_altered", `seal ${number} is not the one that the stream has`);
  else if (!stored.previousHash.equals(previousHash)) note("seal_altered", `seal ${number} does not follow the one before it`);
}

function checkEntries(
  seal: Seal,
  entries: readonly StoredEntry[],
  { note, isPastRetention }: { note: Note; isPastRetention: boolean },
): void {
  const found = new Map(entries.map((entry) => [entry.id, entry]));
  for (const [index, id] of seal.entryIds.entries()) {
    const entry = found.get(id);
    found.delete(id);
    if (!entry) {
      if (!isPastRetention) note("entry_removed", `entry ${id} is missing, and seal ${seal.number} names it`);
      continue;
    }
    const sealed = seal.entryHashes.subarray(index * hashBytes, (index + 1) * hashBytes);
    if (!isItself(entry) || !entry.hash.equals(sealed)) {
      note("entry_altered", `${named(entry)} is not what it was when seal ${seal.number} was set`);
    }
  }
  for (const entry of found.values()) note("entry_added", `${named(entry)} came among those of seal ${seal.number} afterwards`);
}

const isItself = (entry: StoredEntry): boolean =>
  entry.timeMicroseconds % 1_000 === 0 && entryHash(entry, entry.timeMicroseconds / 1_000).equals(entry.hash);

const named = ({ id, method, resourceKind, resourceId, subject }: StoredEntry): string =>
  `entry ${id} (${method} of ${resourceKind} ${resourceId} by ${subject || "nobody"})`;

/** In the order of commits, after a place and up to another; without it, some of the rest. */
async function readEntries<Tables>(db: Kysely<Tables>, after: Position, upTo?: Position): Promise<StoredEntry[]> {
  const read = await sql<StoredEntry>`
    select id, xid::text as xid, tenant_id as tenant, subject, client_id as "clientId", roles, method,
      resource_kind as "resourceKind", resource_id as "resourceId", before::text as before, after::text as after, outcome, reason,
      peer, request_id as "requestId", (extract(epoch from entry_time) * 1000000)::bigint as "timeMicroseconds", hash
    from audit_entry
    where (xid, id) > (${after.xid}::xid8, ${after.id}::bigint)
      ${upTo ? sql`and (xid, id) <= (${upTo.xid}::xid8, ${upTo.id}::bigint)` : sql``}
    order by audit_entry.xid, id
    ${upTo ? sql`` : sql`limit ${entriesAtOnce}`}`.execute(db);
  return read.rows;
}
