// OrderChangesService: a change is previewed, then confirmed; from there it comes to its end by itself.
import { createHash } from "node:crypto";
import { toBinary } from "@bufbuild/protobuf";
import { Code, type ServiceImpl } from "@connectrpc/connect";
import type { Transaction } from "kysely";
import {
  ConfirmOrderChangeRequestSchema,
  type ConfirmOrderChangeRequest,
  type OrderChangesService,
  type OrderChangeWish,
} from "#gen/ordermesh/orders/v1/changes_service_pb.ts";
import { OrderChangeSchema } from "#gen/ordermesh/orders/v1/order_change_pb.ts";
import { isOnlyCustomer } from "#runtime/access/caller.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { refuse } from "#runtime/errors.ts";
import { requestCause, type Cause } from "#runtime/events/outgoing.ts";
import { crashPoint } from "#runtime/faults.ts";
import { newId } from "#runtime/ids.ts";
import { currentRequest } from "#runtime/request-context.ts";
import { planDue } from "#runtime/schedule/due-work.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import type { Refusal } from "../domain/change.ts";
import { applyChange } from "../events/changed.ts";
import { changeKind } from "../store/audit.ts";
import { insertChange, readChangeOfRequest, readChanges, type ChangeRow } from "../store/order-changes.ts";
import { keyOf, lockOrders, saveOrders, type LockedOrder, type OrderKey } from "../store/progress.ts";
import type { OrderRow } from "../store/read.ts";
import type { OrdersTables } from "../store/tables.ts";
import { changeMessage, previewMessage } from "./change-messages.ts";
import { requestIdReused } from "./place.ts";
import { createPreview, type Preview, type Taxing } from "./preview-change.ts";
import { getOrder, orderNotFound } from "./read.ts";

/** Brings the change of an order to its end; see due/changes.ts. */
export type DriveChange = (order: OrderKey, cause: Cause) => Promise<void>;

/** Where whoever confirms a change does not bring it to its end, the due work does after this time. Milliseconds. */
const resumeMs = 3_000;

type Confirm = (request: ConfirmOrderChangeRequest) => Promise<{ row: OrderRow; change: ChangeRow }>;

export function changesMethods(
  runtime: ServiceRuntime<OrdersTables>,
  { drive, ...taxing }: { drive: DriveChange } & Taxing,
): ServiceImpl<typeof OrderChangesService> {
  const preview = createPreview(runtime, taxing);
  const confirm = createConfirm(runtime, { preview, drive });
  return {
    previewOrderChange: async ({ orderId, wish }) => {
      const row = await getOrder(runtime, { orderId });
      return previewMessage(row, await preview(row, required(wish)));
    },

    confirmOrderChange: async (request) => {
      const { row, change } = await confirm(request);
      return { change: changeMessage(change, row.currency_code) };
    },

    listOrderChanges: async ({ orderId }) => {
      const row = await getOrder(runtime, { orderId });
      const changes = await readChanges(runtime.db, row.tenant_id, [orderId]);
      return { changes: changes.map((change) => changeMessage(change, row.currency_code)) };
    },
  };
}

function createConfirm(
  runtime: ServiceRuntime<OrdersTables>,
  { preview, drive }: { preview: ReturnType<typeof createPreview>; drive: DriveChange },
): Confirm {
  const { db, log, transaction, clock } = runtime;

  const firstOf = async (request: ConfirmOrderChangeRequest): Promise<ChangeRow | undefined> => {
    const { orderId, requestId } = request;
    const first = await readChangeOfRequest(db, { tenant: currentRequest().tenant, orderId, requestId });
    return first && sameOrRefused(first, request);
  };

  /** The change as it begins. Of an order of which nobody else has heard it is its end, too. */
  const begin = async (request: ConfirmOrderChangeRequest, row: OrderRow): Promise<ChangeRow> => {
    const previewed = await preview(row, required(request.wish));
    const after = acceptedOrRefused(request, row, previewed);
    const change = newChange(request, { before: previewed.before, after }, clock.now());
    const begun = await transaction((tx) => beginOnce(tx, request, { change, version: row.version }));
    crashPoint("orders.confirm_change", "after_commit");
    return begun;
  };

  return async (request) => {
    const row = await getOrder(runtime, { orderId: request.orderId });
    const begun = (await firstOf(request)) ?? (await begin(request, row));
    if (begun.state !== "requested") return { row, change: begun };
    const { tenant, orderId, changeId } = begun;
    // The change is written down: whoever cannot be asked now will be asked by the due work.
    await drive({ tenant, orderId }, requestCause()).catch((error: unknown) => {
      log.warn({ orderId, changeId, err: error }, "order_change_waits");
    });
    return { row, change: (await firstOf(request)) ?? begun };
  };
}

async function beginOnce(
  tx: Transaction<OrdersTables>,
  request: ConfirmOrderChangeRequest,
  { change, version }: { change: ChangeRow; version: number },
): Promise<ChangeRow> {
  const order = (await lockOrders(tx, [change])).get(keyOf(change));
  if (!order) throw orderNotFound(change.orderId);
  // Under the lock: who came at the same moment has committed, or has not begun.
  const first = await readChangeOfRequest(tx, change);
  if (first) return sameOrRefused(first, request);
  if (order.version !== version) throw outdated("the order has changed since");
  await insertChange(tx, change);
  const begun = order.progress.state === "scheduled" ? await applyAtOnce(tx, order, change) : change;
  await saveOrders(tx, [order], change.createTime);
  if (begun.state === "requested") {
    const { tenant, orderId: key } = change;
    await planDue(tx, [{ kind: changeKind, tenant, key, due: { inMs: resumeMs }, cause: requestCause() }]);
  }
  await recordChange(tx, {
    resource: { kind: "order", id: change.orderId },
    after: shown(OrderChangeSchema, changeMessage(begun, order.currencyCode)),
  });
  crashPoint("orders.confirm_change", "before_commit");
  return begun;
}

/** Nobody has been told of it, so there is nobody to ask and nobody to tell. */
async function applyAtOnce(tx: Transaction<OrdersTables>, order: LockedOrder, change: ChangeRow): Promise<ChangeRow> {
  await applyChange(tx, order, change, change.createTime);
  return { ...change, state: "applied", endTime: change.createTime };
}

function newChange(
  request: ConfirmOrderChangeRequest,
  content: Pick<ChangeRow, "before" | "after">,
  createTime: Date,
): ChangeRow {
  const { orderId, requestId, words } = request;
  return {
    tenant: currentRequest().tenant,
    orderId,
    changeId: newId("chg"),
    state: "requested",
    reason: "",
    detail: "",
    ...content,
    words,
    requestId,
    isAskedByCustomer: isCustomer(),
    requestHash: contentHash(request),
    createTime,
    endTime: null,
  };
}

function isCustomer(): boolean {
  const { caller } = currentRequest();
  return caller !== undefined && isOnlyCustomer(caller);
}

/** The same request always has the same bytes: fields in order, no maps. */
const contentHash = (request: ConfirmOrderChangeRequest): Buffer =>
  createHash("sha256").update(toBinary(ConfirmOrderChangeRequestSchema, request)).digest();

function sameOrRefused(first: ChangeRow, request: ConfirmOrderChangeRequest): ChangeRow {
  if (first.requestHash?.equals(contentHash(request))) return first;
  throw requestIdReused(request.requestId);
}

/** What the order is to be, where it is what the caller has seen and nothing speaks against it. */
function acceptedOrRefused(
  { token, expectedTotal }: ConfirmOrderChangeRequest,
  row: OrderRow,
  { after, refusals, token: now }: Preview,
): ChangeRow["after"] {
  const [version, wish, content] = partsOf(token);
  const [refusal] = refusals;
  if (refusal) throw refused(refusal);
  const [versionNow, wishNow, contentNow] = partsOf(now);
  if (!after || wish !== wishNow) throw refuse(Code.InvalidArgument, "CHANGE_TOKEN_INVALID", "the token is of another change");
  if (version !== versionNow) throw outdated("the order has changed since");
  if (content !== contentNow) throw outdated(`prices have changed since: the order would cost ${after.total} minor units`);
  if (expectedTotal && expectedTotal.currencyCode !== row.currency_code) {
    const metadata = { currency: row.currency_code, expected: expectedTotal.currencyCode };
    throw refuse(Code.InvalidArgument, "CURRENCY_MISMATCH", "expected_total is not in the order's currency", metadata);
  }
  if (expectedTotal && Number(expectedTotal.minorUnits) !== after.total) {
    const metadata = { total: String(after.total), expected: String(expectedTotal.minorUnits), currency: row.currency_code };
    const message = `the order would come to ${after.total} minor units of ${row.currency_code}, not ${metadata.expected} as expected`;
    throw refuse(Code.FailedPrecondition, "TOTAL_MISMATCH", message, metadata);
  }
  return after;
}

function partsOf(token: string): string[] {
  const parts = token.split(".");
  if (token === "" || parts.length === 3) return parts;
  throw refuse(Code.InvalidArgument, "CHANGE_TOKEN_INVALID", "the token is none that a preview has given");
}

const outdated = (why: string): Error => refuse(Code.Aborted, "CHANGE_OUTDATED", `${why}; preview the change again`);

/** The same may be possible a moment later, or with less. */
const passing: readonly string[] = ["CHANGE_UNDER_WAY", "ORDER_NOT_YET_RESERVED", "STOCK_UNAVAILABLE"];

function refused({ reason, message }: Refusal): Error {
  if (reason === "PRODUCT_NOT_FOUND") return refuse(Code.NotFound, reason, message);
  return refuse(passing.includes(reason) ? Code.Aborted : Code.FailedPrecondition, reason, message);
}

function required(wish: OrderChangeWish | undefined): OrderChangeWish {
  if (!wish) throw new Error("a request without a wish was let in");
  return wish;
}
