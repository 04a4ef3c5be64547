// Payments as an audit reads them: each statement sees one moment of all tables, so what moves agrees with itself.
import { sql, type Kysely, type RawBuilder } from "kysely";
import type { AuditedPayment } from "../domain/audit.ts";
import type { Payment, Work } from "../domain/payment.ts";
import { dueKinds } from "./changes.ts";
import { paymentColumns, type PaymentsTables } from "./payments.ts";

type AuditedRow = Payment & {
  ledgerAuthorized: number;
  ledgerVoided: number;
  ledgerCaptured: number;
  ledgerRefunded: number;
  refundsDue: number;
  refundsDone: number;
  refundsForgotten: number;
  refundsPlanned: number;
  returnRefunds: number;
  returnsBooked: number;
  plannedKinds: string[];
};

const orderKinds = [dueKinds.authorize, dueKinds.close, dueKinds.settle, dueKinds.capture, dueKinds.void];

async function readAudited(db: Kysely<PaymentsTables>, chosen: RawBuilder<unknown>): Promise<AuditedPayment[]> {
  const read = await sql<AuditedRow>`
    select ${paymentColumns}, ledger.*, refunds.*, returns.*,
      array(
        select kind from due_work
        where kind = any(${orderKinds}::text[]) and tenant_id = payment.tenant_id and key = payment.order_id
      ) as "plannedKinds"
    from (${chosen}) as payment
    cross join lateral (
      select coalesce(sum(amount_minor_units) filter (where type = 'AUTHORIZATION'), 0)::bigint as "ledgerAuthorized",
        coalesce(sum(amount_minor_units) filter (where type = 'VOID'), 0)::bigint as "ledgerVoided",
        coalesce(sum(amount_minor_units) filter (where type = 'CAPTURE'), 0)::bigint as "ledgerCaptured",
        coalesce(sum(amount_minor_units) filter (where type = 'REFUND'), 0)::bigint as "ledgerRefunded"
      from ledger_entry where ledger_entry.tenant_id = payment.tenant_id and ledger_entry.order_id = payment.order_id
    ) as ledger
    cross join lateral (
      select coalesce(sum(amount_minor_units) filter (where refund.state = 'DUE'), 0)::bigint as "refundsDue",
        coalesce(sum(amount_minor_units) filter (where refund.state = 'DONE'), 0)::bigint as "refundsDone",
        coalesce(sum(amount_minor_units) filter (where refund.return_id is not null), 0)::bigint as "returnRefunds",
        count(*) filter (where refund.state = 'DUE' and work.id is null)::integer as "refundsForgotten",
        count(*) filter (where refund.state = 'DUE' and work.id is not null)::integer as "refundsPlanned"
      from refund
      left join due_work work
        on work.kind = ${dueKinds.refund} and work.tenant_id = refund.tenant_id and work.key = refund.refund_id
      where refund.tenant_id = payment.tenant_id and refund.order_id = payment.order_id
    ) as refunds
    cross join lateral (
      select coalesce(sum(amount_minor_units), 0)::bigint as "returnsBooked" from return_refund back
      where back.tenant_id = payment.tenant_id and back.order_id = payment.order_id
    ) as returns
    order by payment.order_id`.execute(db);
  return read.rows.map(toAudited);
}

function toAudited(row: AuditedRow): AuditedPayment {
  const { ledgerAuthorized, ledgerVoided, ledgerCaptured, ledgerRefunded, plannedKinds, ...rest } = row;
  const { refundsDue, refundsDone, refundsForgotten, refundsPlanned, returnsBooked, returnRefunds, ...payment } = rest;
  const works = Object.keys(dueKinds) as (Work | "refund")[];
  const planned = works.filter((work) => plannedKinds.includes(dueKinds[work]));
  if (refundsPlanned > 0) planned.push("refund");
  return {
    payment,
    ledger: { authorized: ledgerAuthorized, voided: ledgerVoided, captured: ledgerCaptured, refunded: ledgerRefunded },
    refundsDue,
    refundsDone,
    refundsForgotten,
    returnsBooked,
    returnRefunds,
    planned,
  };
}

/** A page of payments, oldest order first. */
export function readAuditPage(
  db: Kysely<PaymentsTables>,
  { tenant, after, rowsMax }: { tenant: string; after: string | undefined; rowsMax: number },
): Promise<AuditedPayment[]> {
  return readAudited(
    db,
    sql`select * from payment where tenant_id = ${tenant} and order_id > ${after ?? ""} order by order_id limit ${rowsMax}`,
  );
}

export function readAuditedPayments(
  db: Kysely<PaymentsTables>,
  { tenant, orderIds }: { tenant: string; orderIds: readonly string[] },
): Promise<AuditedPayment[]> {
  return readAudited(db, sql`select * from payment where tenant_id = ${tenant} and order_id = any(${orderIds}::text[])`);
}

export function readAuditedById(
  db: Kysely<PaymentsTables>,
  { tenant, paymentIds }: { tenant: string; paymentIds: readonly string[] },
): Promise<AuditedPayment[]> {
  return readAudited(db, sql`select * from payment where tenant_id = ${tenant} and payment_id = any(${paymentIds}::text[])`);
}

export async function readPayments(
  db: Kysely<PaymentsTables>,
  { tenant, orderIds }: { tenant: string; orderIds: readonly string[] },
): Promise<Payment[]> {
  const found = await sql<Payment>`
    select ${paymentColumns} from payment
    where tenant_id = ${tenant} and order_id = any(${orderIds}::text[]) order by order_id`.execute(db);
  return found.rows;
}

/** Payments whose money is held, neither taken nor given back, or will be once the buyer has acted. */
export async function readHeldPage(
  db: Kysely<PaymentsTables>,
  { tenant, after, rowsMax }: { tenant: string; after: string | undefined; rowsMax: number },
): Promise<Payment[]> {
  const found = await sql<Payment>`
    select ${paymentColumns} from payment
    where tenant_id = ${tenant} and order_id > ${after ?? ""}
      and (
        state = 'ACTION_REQUIRED'
        or authorized_minor_units > captured_minor_units + voided_minor_units
      )
    order by order_id limit ${rowsMax}`.execute(db);
  return found.rows;
}
