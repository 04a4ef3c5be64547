// Leases in the service's schema: who may work on what, judged by the database's clock alone.
import { shortenedMs } from "../faults.ts";
import { sql, type Kysely, type Transaction } from "kysely";

export interface Lease {
  name: string;
  holder: string;
  /** Grows with every new holder. */
  epoch: number;
}

/** Whoever dies with a lease is replaced after this time. Milliseconds. */
export const leaseMs = shortenedMs("ORDERMESH_TEST_LEASE_MS", 4_000);

const memberPrefix = "member:";

export interface LeaseTable {
  /** Instances of this service that are alive, this one included. */
  members: number;
  /** Names of the leases that somebody else holds. */
  heldByOthers: Set<string>;
}

/** Says that this holder is alive, and reads who holds what. */
export async function announce<Tables>(db: Kysely<Tables>, holder: string): Promise<LeaseTable> {
  const read = await sql<{ name: string; holder: string }>`
    with alive as (
      insert into lease (name, holder, epoch, expire_time)
      values (${memberPrefix + holder}, ${holder}, 1, now() + make_interval(secs => ${leaseMs / 1000}))
      on conflict (name) do update set expire_time = excluded.expire_time
      returning name
    )
    select name, holder from lease where expire_time > now() and name <> (select name from alive)`.execute(db);
  const isMember = (row: { name: string }): boolean => row.name.startsWith(memberPrefix);
  return {
    members: 1 + read.rows.filter(isMember).length,
    heldByOthers: new Set(read.rows.filter((row) => !isMember(row) && row.holder !== holder).map((row) => row.name)),
  };
}

/**
 * Takes or renews leases. Answers those that this holder has now.
 *
 * A holder's open transaction keeps its lease's key (holdLease). Renewing changes no key and goes past it; taking over
 * changes the epoch, which is part of a key, and so is not possible until that transaction has ended. It is not waited
 * for: meanwhile our own leases would run out.
 */
export async function takeLeases<Tables>(db: Kysely<Tables>, holder: string, names: readonly string[]): Promise<Lease[]> {
  if (names.length === 0) return [];
  const until = sql`now() + make_interval(secs => ${leaseMs / 1000})`;
  const renewed = await sql<{ name: string; epoch: number }>`
    update lease set expire_time = ${until} where holder = ${holder} and name = any(${[...names]}) returning name, epoch`.execute(
    db,
  );
  const mine = renewed.rows.map((row) => ({ ...row, holder }));
  const held = new Set(mine.map(({ name }) => name));
  const others = names.filter((name) => !held.has(name)).toSorted();
  if (others.length === 0) return mine;
  const taken = await sql<{ name: string; epoch: number }>`
    with expired as (
      select name from lease where name = any(${others}) and expire_time < now() order by name for update skip locked
    ), taken_over as (
      update lease set holder = ${holder}, epoch = epoch + 1, expire_time = ${until}
      from expired where lease.name = expired.name
      returning lease.name, epoch
    ), made as (
      insert into lease (name, holder, epoch, expire_time)
      select name, ${holder}, 1, ${until} from unnest(${others}::text[]) as wanted (name)
      on conflict do nothing
      returning name, epoch
    )
    select name, epoch from taken_over union all select name, epoch from made`.execute(db);
  return [...mine, ...taken.rows.map((row) => ({ ...row, holder }))];
}

/** Gives leases back, so that others need not wait for their end. */
export async function releaseLeases<Tables>(db: Kysely<Tables>, holder: string, names: readonly string[]): Promise<void> {
  await sql`update lease set expire_time = now() where holder = ${holder} and name = any(${[...names]})`.execute(db);
}

/** Leaves: gives every lease back and is no member any more. */
export async function leave<Tables>(db: Kysely<Tables>, holder: string): Promise<void> {
  await sql`update lease set expire_time = now() where holder = ${holder}`.execute(db);
  await sql`delete from lease where name like ${`${memberPrefix}%`} and expire_time < now() - interval '1 hour' or name = ${memberPrefix + holder}`.execute(
    db,
  );
}

/** A lease has gone to another instance: nothing may be written under it any more. */
export class LeaseLost extends Error {
  /** One of these. */
  constructor(names: readonly string[]) {
    super(`lease ${names.join(" or ")} has gone to another instance`);
    this.name = "LeaseLost";
  }
}

/** Keeps a successor from starting until the transaction ends. Throws LeaseLost where there is one already. */
export async function holdLease<Tables>(tx: Transaction<Tables>, lease: Lease): Promise<void> {
  const held = await sql`
    select 1 from lease where name = ${lease.name} and holder = ${lease.holder} and epoch = ${lease.epoch} for key share`.execute(
    tx,
  );
  if (held.rows.length === 0) throw new LeaseLost([lease.name]);
}
