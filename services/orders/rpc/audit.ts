// Orders' own audit, and where orders stand.
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { DiscrepancySchema, type Discrepancy } from "#gen/ordermesh/audit/v1/audit_pb.ts";
import {
  AuditOrdersResponseSchema,
  OrderEntrySchema,
  type AuditOrdersRequest,
  type AuditOrdersResponse,
  type OrderEntry,
} from "#gen/ordermesh/orders/v1/orders_audit_pb.ts";
import { cutPage, readPageToken } from "#runtime/page-token.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { auditOrder, type Finding } from "../domain/audit.ts";
import { waitOf, type WaitLimits } from "../domain/waiting.ts";
import { readAuditedOrders, readAuditPage, type AuditRow } from "../store/audit.ts";
import type { OrdersTables } from "../store/tables.ts";
import { stateMessages } from "./order-message.ts";

export interface AuditLimits extends WaitLimits {
  /** From asked for to applied or refused. */
  changeLifeMs: number;
}

type Reader = Pick<ServiceRuntime<OrdersTables>, "db">;

const pageSizeDefault = 1_000;

export async function auditOrders(
  { db }: Reader,
  request: AuditOrdersRequest,
  limits: AuditLimits,
): Promise<AuditOrdersResponse> {
  const pageSize = request.pageSize || pageSizeDefault;
  const found = await readAuditPage(db, {
    tenant: currentRequest().tenant,
    after: readPageToken(request.pageToken),
    rowsMax: pageSize + 1,
    openOnly: request.openOnly,
  });
  const { rows, nextPageToken } = cutPage(found, pageSize, ({ orderId }) => orderId);
  return create(AuditOrdersResponseSchema, {
    rowsChecked: BigInt(rows.length),
    discrepancies: rows.flatMap(auditOrder).map(discrepancy),
    nextPageToken,
    orders: rows.map((row) => orderEntry(row, limits)),
  });
}

export async function readOrderStates({ db }: Reader, orderIds: readonly string[], limits: AuditLimits): Promise<OrderEntry[]> {
  const rows = await readAuditedOrders(db, { tenant: currentRequest().tenant, orderIds });
  return rows.map((row) => orderEntry(row, limits));
}

function orderEntry(row: AuditRow, limits: AuditLimits): OrderEntry {
  const wait = waitOf(row, limits);
  const { currencyCode, changeTime } = row;
  const money = (minorUnits: number) => ({ currencyCode, minorUnits: BigInt(minorUnits) });
  return create(OrderEntrySchema, {
    orderId: row.orderId,
    state: stateMessages[row.state],
    total: money(row.total),
    createTime: timestampFromDate(row.createTime),
    stateTime: timestampFromDate(row.stateTime),
    ...(wait ? { waitsFor: wait.waitsFor, waitsUntil: timestampFromDate(wait.waitsUntil) } : {}),
    eventsSent: BigInt(row.eventsSent),
    units: BigInt(row.units),
    ...(row.askedTotal === null ? {} : { askedTotal: money(row.askedTotal) }),
    isChanging: row.isChanging,
    ...(changeTime ? { changeUntil: timestampFromDate(new Date(changeTime.getTime() + limits.changeLifeMs)) } : {}),
    ...(row.returnRefund === null ? {} : { returnRefund: money(row.returnRefund) }),
    restockedUnits: BigInt(row.restockedUnits),
    ...(row.releaseTime ? { releaseTime: timestampFromDate(row.releaseTime) } : {}),
  });
}

function discrepancy({ check, key, message, figures }: Finding): Discrepancy {
  const texts = Object.entries(figures).map(([name, figure]) => [name, String(figure)]);
  return create(DiscrepancySchema, { check, key, message, figures: Object.fromEntries(texts) as Record<string, string> });
}
