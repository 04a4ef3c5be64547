// Reads and writes accounts, and the attempts to get into them.
import { sql, type Kysely, type Transaction } from "kysely";
import type { Attempts } from "../domain/lock-out.ts";
import { hashSecret } from "./secret-hash.ts";
import type { IdentityTables } from "./tables.ts";

export interface Account {
  customerId: string;
  login: string;
  passwordHash: string;
}

const accountColumns = sql`customer_id as "customerId", login, password_hash as "passwordHash"`;

export async function findAccount(
  tx: Transaction<IdentityTables>,
  { tenant, login }: { tenant: string; login: string },
): Promise<Account | undefined> {
  const read = await sql<Account>`
    select ${accountColumns} from account where tenant_id = ${tenant} and login = ${login}`.execute(tx);
  return read.rows[0];
}

/** The same, which is not removed until the transaction ends. */
export async function keepAccount(
  tx: Transaction<IdentityTables>,
  { tenant, login }: { tenant: string; login: string },
): Promise<Account | undefined> {
  const read = await sql<Account>`
    select ${accountColumns} from account where tenant_id = ${tenant} and login = ${login} for key share`.execute(tx);
  return read.rows[0];
}

export async function findAccountOf(
  db: Kysely<IdentityTables>,
  { tenant, customerId }: { tenant: string; customerId: string },
): Promise<Account | undefined> {
  const read = await sql<Account>`
    select ${accountColumns} from account where tenant_id = ${tenant} and customer_id = ${customerId}`.execute(db);
  return read.rows[0];
}

export async function insertAccount(
  tx: Transaction<IdentityTables>,
  account: Account & { tenant: string; now: Date },
): Promise<"made" | "login_taken" | "customer_id_taken"> {
  const { tenant, customerId, login, passwordHash, now } = account;
  const inserted = await sql`
    insert into account (tenant_id, customer_id, login, password_hash, create_time, update_time)
    values (${tenant}, ${customerId}, ${login}, ${passwordHash}, ${now}, ${now})
    on conflict do nothing`.execute(tx);
  if (inserted.numAffectedRows === 1n) return "made";
  return (await findAccount(tx, { tenant, login })) ? "login_taken" : "customer_id_taken";
}

/** Answers whether the password was still the one that was checked. */
export async function changePassword(
  tx: Transaction<IdentityTables>,
  change: { tenant: string; customerId: string; from: string; to: string; now: Date },
): Promise<boolean> {
  const updated = await sql`
    update account set password_hash = ${change.to}, update_time = ${change.now}
    where tenant_id = ${change.tenant} and customer_id = ${change.customerId} and password_hash = ${change.from}`.execute(tx);
  return updated.numAffectedRows === 1n;
}

interface AttemptKey {
  tenant: string;
  login: string;
}

/** The attempts so far, which nobody else counts until the transaction ends. */
export async function lockAttempts(tx: Transaction<IdentityTables>, { tenant, login }: AttemptKey, now: Date): Promise<Attempts> {
  const loginHash = hashSecret(login);
  await sql`
    insert into sign_in_attempts (tenant_id, login_hash, failures, last_time, locked_until)
    values (${tenant}, ${loginHash}, 0, ${now}, ${now})
    on conflict do nothing`.execute(tx);
  const read = await sql<Attempts>`
    select failures, last_time as "lastTime", locked_until as "lockedUntil" from sign_in_attempts
    where tenant_id = ${tenant} and login_hash = ${loginHash}
    for update`.execute(tx);
  const [attempts] = read.rows;
  // It was forgotten between the two statements, which is as if nobody had tried.
  return attempts ?? { failures: 0, lastTime: now, lockedUntil: now };
}

export async function saveAttempts(
  tx: Transaction<IdentityTables>,
  { tenant, login }: AttemptKey,
  attempts: Attempts,
): Promise<void> {
  const { failures, lastTime, lockedUntil } = attempts;
  await sql`
    insert into sign_in_attempts (tenant_id, login_hash, failures, last_time, locked_until)
    values (${tenant}, ${hashSecret(login)}, ${failures}, ${lastTime}, ${lockedUntil})
    on conflict (tenant_id, login_hash) do update
      set failures = excluded.failures, last_time = excluded.last_time, locked_until = excluded.locked_until`.execute(tx);
}

export async function forgetAttempts(tx: Transaction<IdentityTables>, { tenant, login }: AttemptKey): Promise<void> {
  await sql`
    delete from sign_in_attempts where tenant_id = ${tenant} and login_hash = ${hashSecret(login)}`.execute(tx);
}
