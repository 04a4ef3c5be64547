// AuditPayments: first our own payments, page by page, then the charges that the provider lists.
import { create } from "@bufbuild/protobuf";
import { DiscrepancySchema, type Discrepancy } from "#gen/ordermesh/audit/v1/audit_pb.ts";
import {
  AuditPaymentsResponseSchema,
  type AuditPaymentsRequest,
  type AuditPaymentsResponse,
} from "#gen/ordermesh/payments/v1/payments_audit_pb.ts";
import { unavailable } from "#runtime/errors.ts";
import { cutPage, readPageToken, writePageToken } from "#runtime/page-token.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { auditBooks, auditCharge, auditStatement, isMoving, type AuditedPayment, type Finding } from "../domain/audit.ts";
import { paymentIdOfKey } from "../domain/authorization.ts";
import { ProviderUnavailable, type PaymentProvider, type ProviderOf } from "../provider/contract.ts";
import { readAuditedById, readAuditedPayments, readAuditPage } from "../store/audit.ts";
import type { PaymentsTables } from "../store/payments.ts";

export const auditPageSizeDefault = 1_000;

/** How far back the provider's charges are looked through: banks let a hold lapse after a week as a rule. */
const chargesSinceMs = 7 * 86_400_000;

/** Page tokens of the second part begin so; no order id does. */
const chargesPrefix = "charges:";

type Runtime = Pick<ServiceRuntime<PaymentsTables>, "db" | "clock">;

interface Page {
  rowsChecked: number;
  findings: Finding[];
  nextPageToken: string;
}

interface Asked {
  tenant: string;
  provider: PaymentProvider;
  pageSize: number;
}

export function auditPayments(
  runtime: Runtime,
  providerOf: ProviderOf,
): (request: AuditPaymentsRequest) => Promise<AuditPaymentsResponse> {
  return async (request) => {
    const { tenant } = currentRequest();
    const provider = providerOf(tenant);
    const pageSize = Math.min(request.pageSize || auditPageSizeDefault, provider.statementMax);
    const asked: Asked = { tenant, provider, pageSize };
    const after = readPageToken(request.pageToken);
    const isOfCharges = after?.startsWith(chargesPrefix);
    const page = await (
      isOfCharges
        ? auditChargePage(runtime, asked, after?.slice(chargesPrefix.length) || undefined)
        : auditPaymentPage(runtime, asked, after)
    ).catch((error: unknown) => {
      // Half an audit must not look like a whole one.
      throw error instanceof ProviderUnavailable ? unavailable("the payment provider", error) : error;
    });
    return create(AuditPaymentsResponseSchema, {
      rowsChecked: BigInt(page.rowsChecked),
      discrepancies: page.findings.map(discrepancy),
      nextPageToken: page.nextPageToken,
    });
  };
}

async function auditPaymentPage({ db }: Runtime, asked: Asked, after: string | undefined): Promise<Page> {
  const { tenant, provider, pageSize } = asked;
  const found = await readAuditPage(db, { tenant, after, rowsMax: pageSize + 1 });
  const { rows, nextPageToken } = cutPage(found, pageSize, ({ payment }) => payment.orderId);
  const fromProvider = await auditWithProvider({ db }, asked, rows);
  return {
    rowsChecked: rows.length,
    findings: [...rows.flatMap(auditBooks), ...fromProvider],
    nextPageToken: nextPageToken === "" && provider.listCharges ? writePageToken(chargesPrefix) : nextPageToken,
  };
}

/**
 * The provider's books are another moment than ours. All that is done there is planned here first, with a new version of
 * the payment, so what differs is only said where the payment has not been touched before and after the answer.
 */
async function auditWithProvider(
  { db }: Pick<Runtime, "db">,
  { tenant, provider }: Asked,
  rows: readonly AuditedPayment[],
): Promise<Finding[]> {
  const resting = rows.filter((audited) => !isMoving(audited)).map(({ payment }) => payment);
  const references = resting.flatMap(({ providerReference }) => providerReference ?? []);
  if (references.length === 0) return [];
  const statements = await provider.statement(references);
  const findings = resting.flatMap((payment) => {
    const finding = auditStatement(payment, statements.get(payment.providerReference ?? ""));
    return finding ? [{ finding, payment }] : [];
  });
  if (findings.length === 0) return [];
  const again = await readAuditedPayments(db, { tenant, orderIds: findings.map(({ payment }) => payment.orderId) });
  const versions = new Map(again.map(({ payment }) => [payment.orderId, payment.version]));
  return findings.flatMap(({ finding, payment }) => (versions.get(payment.orderId) === payment.version ? [finding] : []));
}

async function auditChargePage({ db, clock }: Runtime, asked: Asked, after: string | undefined): Promise<Page> {
  const { tenant, provider, pageSize } = asked;
  const since = new Date(clock.now().getTime() - chargesSinceMs);
  const listed = await provider.listCharges?.({ since, after, rowsMax: pageSize });
  const charges = listed?.charges ?? [];
  const paymentIds = charges.flatMap(({ idempotencyKey }) => paymentIdOfKey(idempotencyKey) ?? []);
  const audited = await readAuditedById(db, { tenant, paymentIds });
  const byId = new Map(audited.map((one) => [one.payment.paymentId, one]));
  return {
    rowsChecked: charges.length,
    findings: charges.flatMap((charge) => auditCharge(charge, byId.get(paymentIdOfKey(charge.idempotencyKey) ?? "")) ?? []),
    nextPageToken: listed?.nextAfter === undefined ? "" : writePageToken(`${chargesPrefix}${listed.nextAfter}`),
  };
}

function discrepancy({ check, key, message, figures }: Finding): Discrepancy {
  const texts = Object.entries(figures).map(([name, figure]) => [name, String(figure)]);
  return create(DiscrepancySchema, { check, key, message, figures: Object.fromEntries(texts) as Record<string, string> });
}
