// AdjustStock: on hand changed by a person, with a reason, once per request id.
import { createHash } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import type { Transaction } from "kysely";
import { StockLowSchema } from "#gen/ordermesh/inventory/events/v1/inventory_events_pb.ts";
import type { AdjustStockRequest, AdjustStockResponseSchema } from "#gen/ordermesh/inventory/v1/inventory_service_pb.ts";
import { StockSchema } from "#gen/ordermesh/inventory/v1/stock_pb.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import type { Clock } from "#runtime/clock.ts";
import { refuse } from "#runtime/errors.ts";
import { appendEvents } from "#runtime/events/outbox.ts";
import { outgoing, requestCause } from "#runtime/events/outgoing.ts";
import type { Logger } from "#runtime/log.ts";
import { currentRequest } from "#runtime/request-context.ts";
import { adjust, type Stock, type StockChange } from "../domain/stock.ts";
import { claimAdjustment, saveAdjustAnswer, type AdjustAnswer } from "../store/adjustments.ts";
import { insertMovements } from "../store/movements.ts";
import { lockOneStock, saveStock, type StockRow } from "../store/stock.ts";
import type { InventoryTables } from "../store/tables.ts";
import { skuNotFound, stockMessage } from "./messages.ts";

export interface AdjustDeps {
  transaction<Result>(work: (tx: Transaction<InventoryTables>) => Promise<Result>): Promise<Result>;
  clock: Clock;
  log: Logger;
}

interface Adjusted {
  answer: AdjustAnswer;
  isLow: boolean;
}

export function stockAdjuster(deps: AdjustDeps) {
  const { clock, log } = deps;
  const adjustOnce = async (tx: Transaction<InventoryTables>, request: AdjustStockRequest): Promise<Adjusted> => {
    const { tenant } = currentRequest();
    const { requestId, sku } = request;
    if (requestId !== "") {
      const claim = await claimAdjustment(tx, { tenant, requestId, contentHash: contentHash(request) });
      if (claim.kind === "repeat") return { answer: claim.answer, isLow: false };
      if (claim.kind === "other_content") {
        throw refuse(Code.AlreadyExists, "REQUEST_ID_REUSED", "request_id was used for another change", { requestId });
      }
    }
    const before = await lockOneStock(tx, { tenant, sku });
    if (!before) throw skuNotFound(sku);
    const change = decideAdjust(before, Number(request.quantity));
    const now = clock.now();
    await saveStock(tx, [{ before, after: change.stock }], now);
    const movement = { tenant, sku, type: "ADJUSTMENT" as const, quantity: Number(request.quantity), reason: request.reason };
    const [movementId = ""] = await insertMovements(tx, [movement], now);
    if (change.isLow) await appendEvents(tx, [stockLow(change.stock, now)]);
    const answer = { ...change.stock, updateTime: now };
    const side = (stock: StockRow) => shown(StockSchema, stockMessage(stock));
    await recordChange(tx, { resource: { kind: "stock", id: sku }, before: side(before), after: side(answer) });
    if (requestId !== "") await saveAdjustAnswer(tx, { tenant, requestId, movementId, answer });
    return { answer, isLow: change.isLow };
  };

  return async (request: AdjustStockRequest): Promise<MessageInitShape<typeof AdjustStockResponseSchema>> => {
    const { answer, isLow } = await deps.transaction((tx) => adjustOnce(tx, request));
    const { sku } = request;
    if (isLow) log.warn({ sku, onHand: answer.onHand, threshold: answer.lowStockThreshold }, "stock_low");
    return { stock: stockMessage({ ...answer, sku }) };
  };
}

function decideAdjust(before: Stock, quantity: number): StockChange {
  const outcome = adjust(before, quantity);
  if (outcome.kind === "adjusted") return outcome;
  const { sku, onHand, reserved } = before;
  throw refuse(
    Code.FailedPrecondition,
    "STOCK_BELOW_RESERVED",
    `${outcome.left} would be left of ${sku}, but ${reserved} are held`,
    {
      sku,
      onHand: String(onHand),
      reserved: String(reserved),
    },
  );
}

function stockLow(stock: Stock, time: Date) {
  const { tenant, sku, onHand, lowStockThreshold, sequence } = stock;
  const message = { sku, onHand: BigInt(onHand), threshold: BigInt(lowStockThreshold) };
  return outgoing(StockLowSchema, message, { tenant, sequence, time, cause: requestCause() });
}

/** Two requests with the same hash ask for the same change. */
function contentHash({ sku, quantity, reason }: AdjustStockRequest): Buffer {
  return createHash("sha256")
    .update(JSON.stringify([sku, String(quantity), reason]))
    .digest();
}
