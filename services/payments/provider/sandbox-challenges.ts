// What the sandbox asks a buyer before it holds money, and what the buyer answers.
import { randomUUID } from "node:crypto";
import { sql, type Kysely, type Transaction } from "kysely";
import type { BuyerAction } from "../domain/payment.ts";

/** By their tokens: whether the bank refuses whatever the buyer says. */
const challengingTokens: ReadonlyMap<string, boolean> = new Map([
  ["tok_3ds", false],
  ["tok_3ds_fails", true],
]);

export const isChallenging = (token: string): boolean => challengingTokens.has(token);

export interface NewChallenge {
  tenant: string;
  reference: string | null;
  currencyCode: string;
  amount: number;
  token: string;
}

export async function openChallenges<Tables>(tx: Transaction<Tables>, challenges: readonly NewChallenge[]): Promise<void> {
  if (challenges.length === 0) return;
  await sql`
    insert into sandbox_challenge (tenant_id, client_secret, reference, currency_code, amount_minor_units, fails, state)
    select opened.*, 'OPEN' from unnest(
      ${challenges.map(({ tenant }) => tenant)}::text[],
      ${challenges.map(({ reference }) => `${reference}_secret_${randomUUID()}`)}::text[],
      ${challenges.map(({ reference }) => reference)}::text[],
      ${challenges.map(({ currencyCode }) => currencyCode)}::text[],
      ${challenges.map(({ amount }) => amount)}::bigint[],
      ${challenges.map(({ token }) => challengingTokens.get(token) ?? false)}::boolean[]
    ) as opened`.execute(tx);
}

interface Challenge {
  reference: string;
  currencyCode: string;
  amount: number;
  fails: boolean;
  state: "OPEN" | "APPROVED" | "FAILED" | "CANCELLED";
}

/** Locks the challenge, so that an answer and a giving up come one after the other. */
async function lockChallenge<Tables>(
  tx: Transaction<Tables>,
  where: { tenant: string } & ({ clientSecret: string } | { reference: string }),
): Promise<Challenge | undefined> {
  const chosen = "reference" in where ? sql`reference = ${where.reference}` : sql`client_secret = ${where.clientSecret}`;
  const found = await sql<Challenge>`
    select reference, currency_code as "currencyCode", amount_minor_units as amount, fails, state from sandbox_challenge
    where tenant_id = ${where.tenant} and ${chosen} for update`.execute(tx);
  return found.rows[0];
}

/** Answers how the challenge has ended; undefined where there is none with this secret. The first answer holds. */
export function answerChallenge<Tables>(
  db: Kysely<Tables>,
  { tenant, clientSecret, approved }: { tenant: string; clientSecret: string; approved: boolean },
): Promise<Exclude<Challenge["state"], "OPEN"> | undefined> {
  return db.transaction().execute(async (tx) => {
    const challenge = await lockChallenge(tx, { tenant, clientSecret });
    if (!challenge) return undefined;
    if (challenge.state !== "OPEN") return challenge.state;
    const { reference, currencyCode, amount } = challenge;
    const state = approved && !challenge.fails ? "APPROVED" : "FAILED";
    if (state === "APPROVED") {
      await sql`
        insert into sandbox_charge (tenant_id, reference, currency_code, authorized_minor_units)
        values (${tenant}, ${reference}, ${currencyCode}, ${amount})`.execute(tx);
    }
    await endChallenge(tx, { tenant, reference, state });
    return state;
  });
}

/** True where the buyer can do nothing any more, and nothing is held. */
export async function giveUpChallenge<Tables>(
  tx: Transaction<Tables>,
  { tenant, reference }: { tenant: string; reference: string },
): Promise<boolean> {
  const challenge = await lockChallenge(tx, { tenant, reference });
  if (challenge?.state !== "OPEN" && challenge?.state !== "FAILED") return false;
  await endChallenge(tx, { tenant, reference, state: "CANCELLED" });
  return true;
}

const outcomes = {
  APPROVED: { outcome: "AUTHORIZED", code: null },
  FAILED: { outcome: "DECLINED", code: "authentication_failed" },
  CANCELLED: { outcome: "DECLINED", code: "canceled" },
} as const;

async function endChallenge<Tables>(
  tx: Transaction<Tables>,
  { tenant, reference, state }: { tenant: string; reference: string; state: keyof typeof outcomes },
): Promise<void> {
  const { outcome, code } = outcomes[state];
  await sql`
    update sandbox_challenge set state = ${state} where tenant_id = ${tenant} and reference = ${reference}`.execute(tx);
  await sql`
    update sandbox_operation set outcome = ${outcome}, code = ${code}
    where tenant_id = ${tenant} and reference = ${reference} and kind = 'authorize'`.execute(tx);
}

export async function readAction<Tables>(
  db: Kysely<Tables>,
  { tenant, reference }: { tenant: string; reference: string },
): Promise<BuyerAction> {
  const found = await sql<{ clientSecret: string }>`
    select client_secret as "clientSecret" from sandbox_challenge
    where tenant_id = ${tenant} and reference = ${reference}`.execute(db);
  return { clientSecret: found.rows[0]?.clientSecret ?? "", redirectUrl: "" };
}
