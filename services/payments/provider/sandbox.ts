// A provider for development and tests. It keeps books of its own, in transactions of its own, and knows nothing of
// ours: what it says here can be compared with what we believe. The README lists its tokens.
import { setTimeout as pause } from "node:timers/promises";
import { sql, type Kysely, type Transaction } from "kysely";
import { createAuthorizations } from "./sandbox-authorize.ts";
import { listCharges, readStatement } from "./sandbox-books.ts";
import { giveUpChallenge, readAction } from "./sandbox-challenges.ts";
import { fingerprintOf, newReference, type StoredOperation } from "./sandbox-operation.ts";
import {
  ProviderRefused,
  ProviderUnavailable,
  type AuthorizationResult,
  type PaymentProvider,
  type ProviderOf,
} from "./contract.ts";

type Effect = Pick<StoredOperation, "outcome"> & { reference?: string; code?: string };

interface Operation {
  tenant: string;
  key: string;
  kind: StoredOperation["kind"];
  /** What is asked; the same key with other content is refused. */
  content: readonly (string | number)[];
}

export function sandboxProvider<Tables>(db: Kysely<Tables>, { delayMs }: { delayMs: number }): ProviderOf {
  /** Does an operation once for its key. Whoever asks at the same time waits, and gets the first answer. */
  const once = (operation: Operation, effect: (tx: Transaction<Tables>) => Promise<Effect>) =>
    db.transaction().execute(async (tx): Promise<StoredOperation> => {
      const { tenant, key, kind } = operation;
      const fingerprint = fingerprintOf(operation.content);
      const claimed = await sql`
        insert into sandbox_operation (tenant_id, idempotency_key, kind, fingerprint)
        values (${tenant}, ${key}, ${kind}, ${fingerprint})
        on conflict do nothing returning kind`.execute(tx);
      if (claimed.rows.length > 0) {
        const { outcome, reference = null, code = null } = await effect(tx);
        await sql`
          update sandbox_operation set outcome = ${outcome}, reference = ${reference}, code = ${code}
          where tenant_id = ${tenant} and idempotency_key = ${key}`.execute(tx);
        return { kind, fingerprint, outcome, reference, code };
      }
      const stored = await readOperation(tx, { tenant, key });
      if (stored?.kind !== kind || stored.fingerprint !== fingerprint) throw new ProviderRefused("idempotency_key_reused");
      return stored;
    });
  const authorizations = createAuthorizations(db);

  return (tenant): PaymentProvider => ({
    name: "sandbox",
    authorize: async ({ idempotencyKey, amount, token }) => {
      const answer = await authorizations.add({ tenant, key: idempotencyKey, amount, token });
      if (answer instanceof ProviderRefused) throw answer;
      const { stored, isFirst } = answer;
      if (isFirst && token === "tok_delay") await pause(delayMs);
      if (isFirst && token === "tok_flaky") throw new ProviderUnavailable("the connection was cut before the answer");
      return authorizationOf(tenant, stored);
    },
    capturesInParts: true,
    capture: async ({ idempotencyKey, reference, amount, isFinal }) => {
      const content = [reference, amount.currencyCode, amount.minorUnits];
      return doneOnce({ tenant, key: idempotencyKey, kind: "capture", content }, "not_capturable", (tx) =>
        sql`
          update sandbox_charge
          set captured_minor_units = captured_minor_units + ${amount.minorUnits},
            voided_minor_units = case
              when ${isFinal} then authorized_minor_units - captured_minor_units - ${amount.minorUnits} else voided_minor_units
            end
          where tenant_id = ${tenant} and reference = ${reference} and currency_code = ${amount.currencyCode}
            and voided_minor_units = 0 and captured_minor_units + ${amount.minorUnits} <= authorized_minor_units
          returning reference`.execute(tx),
      );
    },
    void: async ({ idempotencyKey, reference }) =>
      doneOnce({ tenant, key: idempotencyKey, kind: "void", content: [reference] }, "not_voidable", async (tx) => {
        if (await giveUpChallenge(tx, { tenant, reference })) return { rows: [reference] };
        return sql`
          update sandbox_charge set voided_minor_units = authorized_minor_units - captured_minor_units
          where tenant_id = ${tenant} and reference = ${reference}
            and voided_minor_units = 0 and captured_minor_units < authorized_minor_units
          returning reference`.execute(tx);
      }),
    refund: async ({ idempotencyKey, reference, amount }) => {
      const content = [reference, amount.currencyCode, amount.minorUnits];
      return doneOnce({ tenant, key: idempotencyKey, kind: "refund", content }, "refund_exceeds_capture", (tx) =>
        sql`
          update sandbox_charge set refunded_minor_units = refunded_minor_units + ${amount.minorUnits}
          where tenant_id = ${tenant} and reference = ${reference} and currency_code = ${amount.currencyCode}
            and refunded_minor_units + ${amount.minorUnits} <= captured_minor_units
          returning reference`.execute(tx),
      );
    },
    lookup: async (key) => {
      const stored = await readOperation(db, { tenant, key });
      return stored && authorizationOf(tenant, stored);
    },
    statementMax: 1_000,
    statement: (references) => readStatement(db, { tenant, references }),
    listCharges: (page) => listCharges(db, { tenant, ...page }),
  });

  async function doneOnce(
    operation: Operation,
    refusal: string,
    move: (tx: Transaction<Tables>) => Promise<{ rows: unknown[] }>,
  ): Promise<{ reference: string }> {
    const stored = await once(operation, async (tx) => {
      const moved = await move(tx);
      if (moved.rows.length === 0) throw new ProviderRefused(refusal);
      return { outcome: "DONE", reference: newReference() };
    });
    return { reference: stored.reference ?? "" };
  }

  async function authorizationOf(tenant: string, { outcome, reference, code }: StoredOperation): Promise<AuthorizationResult> {
    switch (outcome) {
      case "AUTHORIZED":
        return { kind: "authorized", reference: reference ?? "" };
      case "CHALLENGED": {
        const held = reference ?? "";
        return { kind: "action_required", reference: held, action: await readAction(db, { tenant, reference: held }) };
      }
      case "DECLINED":
        return { kind: "declined", code: code ?? "" };
      case "DONE":
        throw new ProviderRefused("idempotency_key_reused");
      case "UNREACHABLE":
        throw new ProviderUnavailable("connection refused");
    }
  }
}

async function readOperation<Tables>(
  db: Kysely<Tables>,
  { tenant, key }: { tenant: string; key: string },
): Promise<StoredOperation | undefined> {
  const found = await sql<StoredOperation>`
    select kind, fingerprint, outcome, reference, code from sandbox_operation
    where tenant_id = ${tenant} and idempotency_key = ${key}`.execute(db);
  return found.rows[0];
}
