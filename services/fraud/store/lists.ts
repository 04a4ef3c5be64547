// The SQL of lists.
import { sql, type Kysely, type Selectable, type Transaction } from "kysely";
import type { EntryQuestion, FraudList, ListKey } from "../domain/lists.ts";
import type { Tables } from "./tables.ts";

export interface StoredEntry {
  value: string;
  entryNumber: number;
  note: string;
  expireTime: Date | null;
  createTime: Date;
}

const listColumns = ["list_id", "name", "kind", "create_time"] as const satisfies (keyof Tables["fraud_list"])[];

const listOfRow = (row: Pick<Selectable<Tables["fraud_list"]>, (typeof listColumns)[number]>): FraudList => ({
  listId: row.list_id,
  name: row.name,
  kind: row.kind,
  createTime: row.create_time,
});

/** All lists of a tenant, the oldest first. */
export async function listsOf(db: Kysely<Tables>, tenant: string): Promise<FraudList[]> {
  const rows = await db.selectFrom("fraud_list").select(listColumns).where("tenant_id", "=", tenant).orderBy("list_id").execute();
  return rows.map(listOfRow);
}

export async function findList(db: Kysely<Tables>, { tenant, listId }: ListKey): Promise<FraudList | undefined> {
  const row = await db
    .selectFrom("fraud_list")
    .select(listColumns)
    .where("tenant_id", "=", tenant)
    .where("list_id", "=", listId)
    .executeTakeFirst();
  return row && listOfRow(row);
}

/** The list, kept from being removed, and its entries from being counted by others, until the transaction ends. */
export async function lockList(tx: Transaction<Tables>, { tenant, listId }: ListKey): Promise<FraudList | undefined> {
  const row = await tx
    .selectFrom("fraud_list")
    .select(listColumns)
    .where("tenant_id", "=", tenant)
    .where("list_id", "=", listId)
    .forUpdate()
    .executeTakeFirst();
  return row && listOfRow(row);
}

/** False where the tenant has a list of that name. */
export async function insertList(tx: Transaction<Tables>, tenant: string, list: FraudList): Promise<boolean> {
  const { listId, name, kind, createTime } = list;
  const inserted = await tx
    .insertInto("fraud_list")
    .values({ tenant_id: tenant, list_id: listId, name, kind, create_time: createTime })
    .onConflict((conflict) => conflict.columns(["tenant_id", "name"]).doNothing())
    .returning("list_id")
    .execute();
  return inserted.length === 1;
}

/** Removes the list with its entries. */
export async function deleteList(tx: Transaction<Tables>, { tenant, listId }: ListKey): Promise<void> {
  await tx.deleteFrom("fraud_list").where("tenant_id", "=", tenant).where("list_id", "=", listId).execute();
}

/** In the order in which they were added, from the one after the given number on. */
export async function listEntries(
  db: Kysely<Tables>,
  { tenant, listId, afterNumber, rowsMax }: ListKey & { afterNumber: number; rowsMax: number },
): Promise<StoredEntry[]> {
  const { rows } = await sql<StoredEntry>`
    select value, entry_number as "entryNumber", note, expire_time as "expireTime", create_time as "createTime" from list_entry
    where tenant_id = ${tenant} and list_id = ${listId} and entry_number > ${afterNumber}
    order by entry_number limit ${rowsMax}`.execute(db);
  return rows;
}

export interface NewEntry {
  value: string;
  note: string;
  expireTime: Date | null;
}

/**
 * Adds entries, or gives those that are there their new note and expiry; entries that have expired go first. No value may come
 * twice. The caller has locked the list.
 */
export async function putEntries(
  tx: Transaction<Tables>,
  { tenant, listId, entries, now }: ListKey & { entries: readonly NewEntry[]; now: Date },
): Promise<{ added: number; updated: number }> {
  await sql`delete from list_entry where tenant_id = ${tenant} and list_id = ${listId} and expire_time <= ${now}`.execute(tx);
  const { rows } = await sql<{ isAdded: boolean }>`
    insert into list_entry (tenant_id, list_id, value, note, expire_time, create_time)
    select ${tenant}, ${listId}, value, note, expire_time, ${now}::timestamptz from unnest(
      ${entries.map(({ value }) => value)}::text[],
      ${entries.map(({ note }) => note)}::text[],
      ${entries.map(({ expireTime }) => expireTime)}::timestamptz[]
    ) with ordinality as given (value, note, expire_time, position) order by position
    on conflict (tenant_id, list_id, value) do update set note = excluded.note, expire_time = excluded.expire_time
      where (list_entry.note, list_entry.expire_time) is distinct from (excluded.note, excluded.expire_time)
    returning xmax = 0 as "isAdded"`.execute(tx);
  const added = rows.filter(({ isAdded }) => isAdded).length;
  return { added, updated: rows.length - added };
}

export async function countEntries(tx: Transaction<Tables>, { tenant, listId }: ListKey): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*) as count from list_entry where tenant_id = ${tenant} and list_id = ${listId}`.execute(tx);
  return rows[0]?.count ?? 0;
}

/** How many of the values were there. */
export async function deleteEntries(
  tx: Transaction<Tables>,
  { tenant, listId, values }: ListKey & { values: readonly string[] },
): Promise<number> {
  const { rows } = await sql`
    delete from list_entry where tenant_id = ${tenant} and list_id = ${listId} and value = any(${[...values]}::text[])
    returning value`.execute(tx);
  return rows.length;
}

/** The kinds of these lists; those that are gone are left out. */
export async function kindsOf(db: Kysely<Tables>, lists: readonly ListKey[]): Promise<(ListKey & Pick<FraudList, "kind">)[]> {
  const { rows } = await sql<ListKey & Pick<FraudList, "kind">>`
    select tenant_id as tenant, list_id as "listId", kind from fraud_list
    where (tenant_id, list_id) in (
      select * from unnest(${lists.map(({ tenant }) => tenant)}::text[], ${lists.map(({ listId }) => listId)}::text[])
    )`.execute(db);
  return rows;
}

/** Of these values, those that are in their lists and have not expired. Each is one look into the key. */
export async function findEntries(
  db: Kysely<Tables>,
  { questions, now }: { questions: readonly EntryQuestion[]; now: Date },
): Promise<EntryQuestion[]> {
  const { rows } = await sql<EntryQuestion>`
    select tenant_id as tenant, list_id as "listId", value from list_entry
    where (tenant_id, list_id, value) in (
      select * from unnest(
        ${questions.map(({ tenant }) => tenant)}::text[],
        ${questions.map(({ listId }) => listId)}::text[],
        ${questions.map(({ value }) => value)}::text[]
      )
    ) and (expire_time is null or expire_time > ${now})`.execute(db);
  return rows;
}
