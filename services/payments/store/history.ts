// What payments tells of an order's history: what it was asked for, the ledger, and what the provider refused.
import { sql, type Kysely } from "kysely";
import {
  amountText,
  factsMax,
  type AskedOrder,
  type TellHistory,
  type ToldFact,
  type ToldHistory,
  type ToldWait,
} from "#runtime/history/told-history.ts";
import type { Movement, Payment } from "../domain/payment.ts";
import type { PaymentsTables } from "./payments.ts";

type Kept = Pick<Payment, "paymentId" | "state" | "currencyCode" | "amount" | "declineCode" | "refusedWork" | "refusedCode"> &
  Pick<Payment, "dueEventId" | "capturesDue" | "backsDue">;

interface HistoryRow extends Kept {
  deadline: Date;
  createTime: Date;
  updateTime: Date;
  ledger: { id: string; type: Movement["type"]; amount: number; time: string }[];
  /** Those that are not done. */
  refunds: { id: string; amount: number; state: "DUE" | "REFUSED"; code: string | null; time: string }[];
}

const entryWords: Record<Movement["type"], { words: string; toldBy: string }> = {
  AUTHORIZATION: { words: "held", toldBy: "PaymentAuthorized" },
  CAPTURE: { words: "taken", toldBy: "PaymentCaptured" },
  VOID: { words: "held no longer", toldBy: "PaymentVoided" },
  REFUND: { words: "given back", toldBy: "PaymentRefunded" },
};

export function paymentHistory(db: Kysely<PaymentsTables>): TellHistory {
  return async (order) => {
    const row = await readHistory(db, order);
    return row ? toldOf(row) : { facts: [], waits: [] };
  };
}

async function readHistory(db: Kysely<PaymentsTables>, { tenant, orderId }: AskedOrder): Promise<HistoryRow | undefined> {
  const read = await sql<HistoryRow>`
    select payment_id as "paymentId", state, currency_code as "currencyCode", amount_minor_units as amount,
      decline_code as "declineCode", refused_work as "refusedWork", refused_code as "refusedCode", deadline,
      due_event_id as "dueEventId", captures_due as "capturesDue", backs_due as "backsDue",
      create_time as "createTime", update_time as "updateTime",
      (
        select coalesce(json_agg(json_build_object('id', entry_id, 'type', type, 'amount', amount_minor_units,
          'time', entry.create_time) order by entry.create_time, entry_id), '[]')
        from (
          select * from ledger_entry where ledger_entry.tenant_id = payment.tenant_id and ledger_entry.order_id = payment.order_id
          order by create_time, entry_id limit ${factsMax}
        ) as entry
      ) as ledger,
      (
        select coalesce(json_agg(json_build_object('id', refund_id, 'amount', amount_minor_units, 'state', state,
          'code', refusal_code, 'time', refund.create_time) order by refund_id), '[]')
        from refund where refund.tenant_id = payment.tenant_id and refund.order_id = payment.order_id and state <> 'DONE'
      ) as refunds
    from payment where tenant_id = ${tenant} and order_id = ${orderId}`.execute(db);
  return read.rows[0];
}

function toldOf(row: HistoryRow): ToldHistory {
  const { paymentId, amount, currencyCode, createTime, ledger, deadline, dueEventId } = row;
  const asked: ToldFact = {
    kind: "MONEY",
    name: "ASKED",
    id: paymentId,
    time: createTime,
    text: `asked to hold ${amountText(amount, currencyCode)} until ${deadline.toISOString()}`,
    causeId: dueEventId,
  };
  return { facts: [asked, ...ledger.map((entry) => entryFact(entry, currencyCode)), ...refusals(row)], waits: waitsOf(row) };
}

function entryFact({ id, type, amount, time }: HistoryRow["ledger"][number], currencyCode: string): ToldFact {
  const { words, toldBy } = entryWords[type];
  return { kind: "MONEY", name: type, id, time: new Date(time), text: `${amountText(amount, currencyCode)} ${words}`, toldBy };
}

/** What the provider said no to: the payment itself, or what was to follow. */
function refusals({ declineCode, refusedWork, refusedCode, updateTime: time, refunds }: HistoryRow): ToldFact[] {
  const facts: ToldFact[] = [];
  if (declineCode) {
    facts.push({
      kind: "DECISION",
      name: "DECLINED",
      time,
      text: `the payment is declined: ${declineCode}`,
      toldBy: "PaymentDeclined",
    });
  }
  if (refusedWork) facts.push({ kind: "DECISION", name: "REFUSED", time, text: refusalText(refusedWork, refusedCode) });
  const refused = refunds.filter(({ state }) => state === "REFUSED");
  for (const { id, code, time } of refused) {
    facts.push({ kind: "DECISION", name: "REFUSED", id, time: new Date(time), text: refusalText("refund", code) });
  }
  return facts;
}

const refusalText = (work: string, code: string | null): string =>
  `the provider refuses the ${work} for good: ${code ?? "no code"}`;

function waitsOf(row: HistoryRow): ToldWait[] {
  const { state, deadline, refunds, currencyCode, refusedWork, capturesDue, backsDue } = row;
  const waits: ToldWait[] = [];
  if (state === "PENDING") waits.push({ text: "the provider's answer", until: deadline });
  if (state === "ACTION_REQUIRED") waits.push({ text: "the buyer to act at its bank", until: deadline });
  if (refusedWork !== "capture") {
    for (const { amount } of capturesDue)
      waits.push({ text: `${amountText(amount, currencyCode)} to be taken for what has left` });
  }
  for (const { wanted } of backsDue) {
    waits.push({ text: `${amountText(wanted, currencyCode)} to be given back for what came back, once it is taken` });
  }
  const due = refunds.filter(({ state }) => state === "DUE");
  for (const { amount } of due) waits.push({ text: `a refund of ${amountText(amount, currencyCode)} to be carried out` });
  if (refusedWork) {
    const text = `somebody to settle the ${refusedWork} with the provider`;
    waits.push({ text, nextStep: "look at the payment in the provider's own books" });
  }
  return waits;
}
