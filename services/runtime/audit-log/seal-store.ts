// The SQL of seals.
import { sql, type Kysely, type Transaction } from "kysely";
import type { Position } from "../events/relay-store.ts";
import type { Seal } from "./seal.ts";

const sealColumns = sql`
  number, entry_ids::text[] as "entryIds", entry_hashes as "entryHashes", last_xid::text as "lastXid", last_id as "lastId",
  previous_hash as "previousHash", hash, seal_time as "time"`;

type SealRow = Omit<Seal, "service" | "entryIds" | "timeMs"> & { entryIds: string[]; time: Date };

const sealOfRow = (service: string, { time, entryIds, ...row }: SealRow): Seal => ({
  ...row,
  service,
  entryIds: entryIds.map(Number),
  timeMs: time.getTime(),
});

/** Undefined before the first. */
export async function readLastSeal<Tables>(db: Kysely<Tables>, service: string): Promise<Seal | undefined> {
  const read = await sql<SealRow>`select ${sealColumns} from audit_seal order by number desc limit 1`.execute(db);
  return read.rows[0] && sealOfRow(service, read.rows[0]);
}

/** In their order, those after the given number. */
export async function readSeals<Tables>(
  db: Kysely<Tables>,
  { service, after, rowsMax }: { service: string; after: number; rowsMax: number },
): Promise<Seal[]> {
  const read = await sql<SealRow>`
    select ${sealColumns} from audit_seal where number > ${after} order by number limit ${rowsMax}`.execute(db);
  return read.rows.map((row) => sealOfRow(service, row));
}

export interface UnsealedEntry extends Position {
  hash: Buffer;
}

/**
 * The next entries in the order of commits. As for the relay, only those that nothing can come before any more: every transaction
 * older than theirs has ended, so that one that commits late is not passed over.
 */
export async function readUnsealed<Tables>(db: Kysely<Tables>, after: Position, rowsMax: number): Promise<UnsealedEntry[]> {
  const read = await sql<UnsealedEntry>`
    select xid::text as xid, id, hash from audit_entry
    where (xid, id) > (${after.xid}::xid8, ${after.id}::bigint) and xid < pg_snapshot_xmin(pg_current_snapshot())
    order by audit_entry.xid, id
    limit ${rowsMax}`.execute(db);
  return read.rows;
}

export async function insertSeal<Tables>(tx: Transaction<Tables>, seal: Seal): Promise<void> {
  await sql`
    insert into audit_seal (number, entry_ids, entry_hashes, last_xid, last_id, previous_hash, hash, seal_time)
    values (${seal.number}, ${seal.entryIds}::bigint[], ${seal.entryHashes}, ${seal.lastXid}::xid8, ${seal.lastId},
      ${seal.previousHash}, ${seal.hash}, ${new Date(seal.timeMs)})`.execute(tx);
}
