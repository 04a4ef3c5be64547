// How the sandbox authorises: those who ask at the same moment are booked together, each once for its key.
import { sql, type Kysely, type Transaction } from "kysely";
import { actFor, byTenant } from "#runtime/database/scope.ts";
import { isDatabaseUnavailable } from "#runtime/errors.ts";
import { createGroup, type Group } from "#runtime/group.ts";
import { ProviderRefused, type Amount } from "./contract.ts";
import { isChallenging, openChallenges, type NewChallenge } from "./sandbox-challenges.ts";
import { fingerprintOf, newReference, type StoredOperation } from "./sandbox-operation.ts";

export interface AuthorizationAsk {
  tenant: string;
  key: string;
  amount: Amount;
  token: string;
}

export interface StoredAuthorization {
  stored: StoredOperation;
  /** False where the key came before; its first answer is the answer. */
  isFirst: boolean;
}

const declineCodes: Readonly<Record<string, string>> = {
  tok_declined: "card_declined",
  tok_insufficient_funds: "insufficient_funds",
};
const goodTokens = new Set(["tok_success", "tok_delay", "tok_flaky"]);
const groupMax = 100;
const waitingMax = 10_000;

export function createAuthorizations<Tables>(db: Kysely<Tables>): Group<AuthorizationAsk, StoredAuthorization | ProviderRefused> {
  return createGroup({
    run: (asks) => db.transaction().execute((tx) => authorizeByTenant(tx, asks)),
    isOfOne: (error) => !isDatabaseUnavailable(error),
    itemsMax: groupMax,
    inFlightMax: 1,
    waitingMax,
  });
}

interface Wanted extends AuthorizationAsk {
  ask: AuthorizationAsk;
  operation: StoredOperation;
}

interface Answered {
  ask: AuthorizationAsk;
  answer: StoredAuthorization | ProviderRefused;
}

/** Those who ask at the same moment may be of several tenants, and each is booked as its own. */
async function authorizeByTenant<Tables>(
  tx: Transaction<Tables>,
  asks: readonly AuthorizationAsk[],
): Promise<(StoredAuthorization | ProviderRefused)[]> {
  const answers = new Map<AuthorizationAsk, StoredAuthorization | ProviderRefused>();
  for (const [tenant, own] of byTenant(asks, (ask) => ask.tenant)) {
    await actFor(tx, tenant);
    for (const { ask, answer } of await authorizeAll(tx, own)) answers.set(ask, answer);
  }
  return asks.flatMap((ask) => answers.get(ask) ?? []);
}

async function authorizeAll<Tables>(tx: Transaction<Tables>, asks: readonly AuthorizationAsk[]): Promise<Answered[]> {
  const wanted = asks.map((ask): Wanted => ({ ...ask, ask, operation: operationOf(ask) }));
  const claimed = await claim(tx, wanted);
  // Two of the same key in one group have one claim, and the first of them is the first.
  const isFirst = (one: Wanted): boolean => claimed.delete(nameOf(one));
  const firsts = new Set(wanted.filter(isFirst));
  await insertCharges(tx, [...firsts]);
  await openChallenges(tx, challengesOf([...firsts]));
  const repeats = wanted.filter((one) => !firsts.has(one));
  const known = await readOperations(tx, repeats);
  return wanted.map((one) => {
    if (firsts.has(one)) return { ask: one.ask, answer: { stored: one.operation, isFirst: true } };
    const stored = known.get(nameOf(one));
    const isSame = stored?.kind === "authorize" && stored.fingerprint === one.operation.fingerprint;
    return { ask: one.ask, answer: isSame ? { stored, isFirst: false } : new ProviderRefused("idempotency_key_reused") };
  });
}

const nameOf = ({ tenant, key }: { tenant: string; key: string }): string => `${tenant}/${key}`;

/** What the token makes of it. */
function operationOf({ amount, token }: AuthorizationAsk): StoredOperation {
  const fingerprint = fingerprintOf([token, amount.currencyCode, amount.minorUnits]);
  const operation = { kind: "authorize", fingerprint, reference: null, code: null } as const;
  if (token === "tok_error") return { ...operation, outcome: "UNREACHABLE" };
  if (isChallenging(token)) return { ...operation, outcome: "CHALLENGED", reference: newReference() };
  if (goodTokens.has(token)) return { ...operation, outcome: "AUTHORIZED", reference: newReference() };
  return { ...operation, outcome: "DECLINED", code: declineCodes[token] ?? "invalid_token" };
}

/** Whoever asks for the same key elsewhere at the same time is waited for; in the order of keys, so that nobody waits in a circle. */
async function claim<Tables>(tx: Transaction<Tables>, wanted: readonly Wanted[]): Promise<Set<string>> {
  const column = <Value>(pick: (one: Wanted) => Value): Value[] => wanted.map(pick);
  const claimed = await sql<{ tenant: string; key: string }>`
    insert into sandbox_operation (tenant_id, idempotency_key, kind, fingerprint, outcome, reference, code)
    select tenant_id, key, 'authorize', fingerprint, outcome, reference, code
    from unnest(
      ${column(({ tenant }) => tenant)}::text[],
      ${column(({ key }) => key)}::text[],
      ${column(({ operation }) => operation.fingerprint)}::text[],
      ${column(({ operation }) => operation.outcome)}::text[],
      ${column(({ operation }) => operation.reference)}::text[],
      ${column(({ operation }) => operation.code)}::text[]
    ) with ordinality as wanted (tenant_id, key, fingerprint, outcome, reference, code, place)
    order by tenant_id, key, place
    on conflict do nothing
    returning tenant_id as tenant, idempotency_key as key`.execute(tx);
  return new Set(claimed.rows.map(nameOf));
}

async function insertCharges<Tables>(tx: Transaction<Tables>, firsts: readonly Wanted[]): Promise<void> {
  const charges = firsts.filter(({ operation }) => operation.outcome === "AUTHORIZED");
  if (charges.length === 0) return;
  await sql`
    insert into sandbox_charge (tenant_id, reference, currency_code, authorized_minor_units)
    select * from unnest(
      ${charges.map(({ tenant }) => tenant)}::text[],
      ${charges.map(({ operation }) => operation.reference)}::text[],
      ${charges.map(({ amount }) => amount.currencyCode)}::text[],
      ${charges.map(({ amount }) => amount.minorUnits)}::bigint[]
    )`.execute(tx);
}

const challengesOf = (firsts: readonly Wanted[]): NewChallenge[] =>
  firsts.flatMap(({ tenant, token, amount, operation }) => {
    const { currencyCode, minorUnits } = amount;
    const challenge = { tenant, token, reference: operation.reference, currencyCode, amount: minorUnits };
    return operation.outcome === "CHALLENGED" ? [challenge] : [];
  });

async function readOperations<Tables>(
  tx: Transaction<Tables>,
  repeats: readonly Wanted[],
): Promise<Map<string, StoredOperation>> {
  if (repeats.length === 0) return new Map();
  const read = await sql<StoredOperation & { tenant: string; key: string }>`
    select tenant_id as tenant, idempotency_key as key, kind, fingerprint, outcome, reference, code from sandbox_operation
    where (tenant_id, idempotency_key) in (
      select * from unnest(${repeats.map(({ tenant }) => tenant)}::text[], ${repeats.map(({ key }) => key)}::text[])
    )`.execute(tx);
  return new Map(read.rows.map((row) => [nameOf(row), row]));
}
