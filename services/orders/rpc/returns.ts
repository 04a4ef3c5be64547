// ReturnsService: goods that come back are asked for, decided about, received and told. Each step is taken once, under the order's lock.
import { createHash } from "node:crypto";
import { toBinary } from "@bufbuild/protobuf";
import { Code, type ServiceImpl } from "@connectrpc/connect";
import type { Transaction } from "kysely";
import {
  RequestReturnRequestSchema,
  ReturnSchema,
  type ReceiveReturnRequest,
  type RequestReturnRequest,
  type ReturnsService,
} from "#gen/ordermesh/orders/v1/returns_service_pb.ts";
import { isOnlyCustomer } from "#runtime/access/caller.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { refuse } from "#runtime/errors.ts";
import { appendEvents } from "#runtime/events/outbox.ts";
import { requestCause } from "#runtime/events/outgoing.ts";
import { crashPoint } from "#runtime/faults.ts";
import { newId } from "#runtime/ids.ts";
import { cutPage, pageSizeOf, readPageToken } from "#runtime/page-token.ts";
import { currentRequest } from "#runtime/request-context.ts";
import { planDue } from "#runtime/schedule/due-work.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import type { Refusal } from "../domain/change.ts";
import type { OrderParcel } from "../domain/order.ts";
import { parcelReturns } from "../domain/parcel-returns.ts";
import {
  decideReturn,
  exchangeAfter,
  receivedLines,
  refundOf,
  requestRefusal,
  requestReturn,
  restockedUnits,
  unitsLeft,
  type Command,
  type ReturnOfOrder,
} from "../domain/returns.ts";
import { onTop } from "../domain/tax.ts";
import { returnEvents } from "../events/returned.ts";
import { exchangeKind } from "../store/audit.ts";
import { contentOf } from "../store/order-changes.ts";
import { keyOf, lockOrders, saveOrders, type LockedOrder } from "../store/progress.ts";
import { insertReturn, listReturns, readReturns, saveReturn, type ReturnRow } from "../store/returns.ts";
import { readOrder, type OrderRow } from "../store/read.ts";
import type { OrdersTables } from "../store/tables.ts";
import { requestIdReused } from "./place.ts";
import { getOrder, orderNotFound } from "./read.ts";
import { returnMessage, returnStateOf } from "./return-messages.ts";

type Runtime = ServiceRuntime<OrdersTables>;
type Tx = Transaction<OrdersTables>;

interface Deps {
  runtime: Runtime;
  /** For so many days after delivery a customer may ask. */
  returnDays: number;
}

export function returnsMethods({ runtime, returnDays }: Deps): ServiceImpl<typeof ReturnsService> {
  const { db, clock, transaction } = runtime;
  const act = actOnReturn(runtime);
  return {
    requestReturn: async (request) => {
      const row = await getOrder(runtime, { orderId: request.orderId });
      const { caller } = currentRequest();
      const isBound = caller !== undefined && isOnlyCustomer(caller);
      const wish = { request, row, now: clock.now(), daysMax: isBound ? returnDays : undefined };
      const back = await transaction((tx) => requestOnce(tx, wish));
      crashPoint("orders.request_return", "after_commit");
      return { return: returnMessage(back) };
    },

    listOrderReturns: async ({ orderId }) => {
      const { tenant_id: tenant } = await getOrder(runtime, { orderId });
      return { returns: (await readReturns(db, tenant, [orderId])).map(returnMessage) };
    },

    listReturns: async ({ state, pageSize, pageToken }) => {
      const rowsMax = pageSizeOf(pageSize);
      const before = readPageToken(pageToken);
      const page = { tenant: currentRequest().tenant, state: returnStateOf(state), before, rowsMax: rowsMax + 1 };
      const { rows, nextPageToken } = cutPage(await listReturns(db, page), rowsMax, ({ returnId }) => returnId);
      return { returns: rows.map(returnMessage), nextPageToken };
    },

    approveReturn: async ({ words, ...which }) => ({
      return: returnMessage(await act(which, "approve", { change: (_row, back) => ({ ...back, decisionWords: words }) })),
    }),

    rejectReturn: async ({ words, ...which }) => ({
      return: returnMessage(await act(which, "reject", { change: (_row, back) => ({ ...back, decisionWords: words }) })),
    }),

    receiveReturn: async (request) => ({
      return: returnMessage(
        await act(request, "receive", {
          change: (row, back, others) => received(request, { row, back, others }),
          isRepeat: (row, back, others) => isSame(back, received(request, { row, back, others })),
        }),
      ),
    }),
  };
}

async function requestOnce(
  tx: Tx,
  { request, row, now, daysMax }: { request: RequestReturnRequest; row: OrderRow; now: Date; daysMax: number | undefined },
): Promise<ReturnRow> {
  const { orderId, requestId } = request;
  const order = await locked(tx, orderId);
  const returns = await readReturns(tx, order.tenant, [orderId]);
  const first = returns.find((one) => one.requestId === requestId);
  const requestHash = hashOf(request);
  if (first?.requestHash?.equals(requestHash)) return first;
  if (first) throw requestIdReused(requestId);
  const deliverTime = order.progress.timeline.find(({ state }) => state === "delivered")?.time;
  const refusal = requestRefusal({ state: order.progress.state, deliverTime }, { now, daysMax });
  if (refusal) throw refused(refusal);
  const wanted = request.lines.map(({ sku, quantity }) => ({ sku, quantity: Number(quantity) }));
  // Of a delivered order nothing changes any more, so what was read before the lock is what it has.
  const { items } = contentOf(row);
  const outcome = requestReturn(unitsLeft(items, [...returns, ...backInParcels(row, order.progress.parcels)]), wanted);
  if (outcome.kind === "refused") throw refused(outcome);
  const back: ReturnRow = {
    tenant: order.tenant,
    orderId,
    returnId: newId("rtn"),
    customerId: order.customerId,
    currencyCode: order.currencyCode,
    state: "requested",
    lines: outcome.lines,
    words: request.words,
    decisionWords: "",
    refund: null,
    isShippingRefunded: false,
    requestId,
    requestHash,
    createTime: now,
    updateTime: now,
    exchange: exchangeOf(request),
  };
  await insertReturn(tx, back, request.exchange?.paymentToken ?? "");
  await recordChange(tx, { resource: { kind: "return", id: back.returnId }, after: shown(ReturnSchema, returnMessage(back)) });
  crashPoint("orders.request_return", "before_commit");
  return back;
}

/** What its carrier has brought back is not the buyer's to send, and is paid back already. */
const backInParcels = (row: OrderRow, parcels: readonly OrderParcel[]): ReturnOfOrder[] => [
  ...parcelReturns(contentOf(row).items, parcels).values(),
];

function exchangeOf({ exchange }: RequestReturnRequest): ReturnRow["exchange"] {
  if (!exchange) return null;
  const items = exchange.items.map(({ sku, quantity }) => ({ sku, quantity: Number(quantity) }));
  return { items, state: "waiting", orderId: "", reason: "" };
}

type Which = { orderId: string; returnId: string };
/** The order, its return, and its other returns. */
type Changed = (row: OrderRow, back: ReturnRow, others: readonly ReturnRow[]) => ReturnRow;

interface Act {
  change: Changed;
  /** Whether a command that comes again says the same as the first; where it is left out, it does. */
  isRepeat?: (row: OrderRow, back: ReturnRow, others: readonly ReturnRow[]) => boolean;
}

/** Takes a step of a return. A repeat changes nothing, and is answered with the return as it is. */
function actOnReturn({ transaction, clock }: Runtime) {
  return async ({ orderId, returnId }: Which, command: Command, { change, isRepeat = () => true }: Act): Promise<ReturnRow> => {
    const done = await transaction(async (tx) => {
      const order = await locked(tx, orderId, returnNotFound(returnId));
      const returns = await readReturns(tx, order.tenant, [orderId]);
      const before = returns.find((one) => one.returnId === returnId);
      const row = await readOrder(tx, order);
      if (!before || !row) throw returnNotFound(returnId);
      const others = returns.filter((one) => one !== before);
      const decision = decideReturn(before.state, command);
      if (decision.kind === "refused") throw refused(decision);
      if (decision.kind === "repeated") {
        if (isRepeat(row, before, others)) return before;
        throw refused({ reason: "RETURN_CLOSED", message: "it was received with other units before" });
      }
      const now = clock.now();
      const changed = { ...change(row, before, others), state: decision.state, updateTime: now };
      const { after, isToPlace } = withExchange(changed);
      await saveReturn(tx, after);
      if (isToPlace) {
        const { tenant } = order;
        await planDue(tx, [{ kind: exchangeKind, tenant, key: returnId, due: { inMs: 0 }, cause: requestCause() }]);
      }
      const told = { ...after, restocked: restockedUnits(after.lines) };
      await appendEvents(tx, returnEvents(order, told, { time: now, cause: requestCause() }));
      await saveOrders(tx, [order], now);
      const side = (back: ReturnRow) => shown(ReturnSchema, returnMessage(back));
      await recordChange(tx, { resource: { kind: "return", id: returnId }, before: side(before), after: side(after) });
      crashPoint(`orders.${command}_return`, "before_commit");
      return after;
    });
    crashPoint(`orders.${command}_return`, "after_commit");
    return done;
  };
}

/** The return with what its end means for what is wanted instead. */
function withExchange(back: ReturnRow): { after: ReturnRow; isToPlace: boolean } {
  if (!back.exchange) return { after: back, isToPlace: false };
  const outcome = exchangeAfter(back.state, back.lines);
  if (outcome.kind !== "refused") return { after: back, isToPlace: outcome.kind === "place" };
  return { after: { ...back, exchange: { ...back.exchange, state: "refused", reason: outcome.reason } }, isToPlace: false };
}

function received(
  { lines, refundShipping, words }: ReceiveReturnRequest,
  { row, back, others }: { row: OrderRow; back: ReturnRow; others: readonly ReturnRow[] },
): ReturnRow {
  const units = lines.map(({ sku, accepted, restocked }) => ({ sku, accepted: Number(accepted), restocked: Number(restocked) }));
  const after = receivedLines(back.lines, units);
  if (!after) {
    const message = "no more can be accepted than was to come, and no more restocked than is accepted";
    throw refuse(Code.InvalidArgument, "RETURN_LINES_INVALID", message, { returnId: back.returnId });
  }
  if (refundShipping && others.some(({ isShippingRefunded }) => isShippingRefunded)) {
    throw refused({ reason: "SHIPPING_ALREADY_REFUNDED", message: "another return has given back what sending cost" });
  }
  const shipping = refundShipping ? row.shipping_cost + onTop(row.shipping_tax) : 0;
  const refund = refundOf(contentOf(row).items, after, [...others, ...backInParcels(row, row.services.parcels)]) + shipping;
  return { ...back, lines: after, refund, isShippingRefunded: refundShipping, decisionWords: words };
}

const isSame = (one: ReturnRow, other: ReturnRow): boolean =>
  one.isShippingRefunded === other.isShippingRefunded &&
  one.lines.every(({ accepted, restocked }, index) => {
    const line = other.lines[index];
    return line?.accepted === accepted && line.restocked === restocked;
  });

async function locked(tx: Tx, orderId: string, missing = orderNotFound(orderId)): Promise<LockedOrder> {
  const key = { tenant: currentRequest().tenant, orderId };
  const order = (await lockOrders(tx, [key])).get(keyOf(key));
  if (!order) throw missing;
  return order;
}

/** The same request always has the same bytes: fields in order, no maps. */
const hashOf = (request: RequestReturnRequest): Buffer =>
  createHash("sha256").update(toBinary(RequestReturnRequestSchema, request)).digest();

const refused = ({ reason, message }: Refusal): Error => refuse(Code.FailedPrecondition, reason, message);

const returnNotFound = (returnId: string) =>
  refuse(Code.NotFound, "RETURN_NOT_FOUND", `the order has no return ${returnId}`, { returnId });
