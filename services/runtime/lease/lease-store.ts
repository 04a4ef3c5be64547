// Leases in the service's schema: who may work on what, judged by the database's clock alone.
import { sql, type Kysely } from "kysely";

export interface Lease {
  name: string;
  holder: string;
  /** Grows with every new holder. */
  epoch: number;
}

/** Whoever dies with a lease is replaced after this time. Milliseconds. */
export const leaseMs = 4_000;

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

/** Takes or renews leases. Answers those that this holder has now. */
export async function takeLeases<Tables>(db: Kysely<Tables>, holder: string, names: readonly string[]): Promise<Lease[]> {
  if (names.length === 0) return [];
  const taken = await sql<{ name: string; epoch: number }>`
    insert into lease (name, holder, epoch, expire_time)
    select name, ${holder}, 1, now() + make_interval(secs => ${leaseMs / 1000})
    from unnest(${names.toSorted()}::text[]) as wanted (name)
    on conflict (name) do update
      set epoch = lease.epoch + (lease.holder <> excluded.holder)::integer, holder = excluded.holder, expire_time = excluded.expire_time
      where lease.holder = excluded.holder or lease.expire_time < now()
    returning name, epoch`.execute(db);
  return taken.rows.map((row) => ({ ...row, holder }));
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
