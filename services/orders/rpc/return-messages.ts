// Returns as the contract shows them.
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { ReturnSchema, ReturnState, type Return } from "#gen/ordermesh/orders/v1/returns_service_pb.ts";
import type * as domain from "../domain/returns.ts";
import type { ReturnRow } from "../store/returns.ts";

const stateMessages: Record<domain.ReturnState, ReturnState> = {
  requested: ReturnState.REQUESTED,
  approved: ReturnState.APPROVED,
  rejected: ReturnState.REJECTED,
  received: ReturnState.RECEIVED,
};

/** Undefined where none is given. */
export function returnStateOf(message: ReturnState): domain.ReturnState | undefined {
  const found = Object.entries(stateMessages).find(([, candidate]) => candidate === message);
  return found?.[0] as domain.ReturnState | undefined;
}

export function returnMessage(row: ReturnRow): Return {
  const { returnId, orderId, customerId, currencyCode, words, decisionWords, refund, isShippingRefunded } = row;
  const money = (minorUnits: number): { currencyCode: string; minorUnits: bigint } => ({
    currencyCode,
    minorUnits: BigInt(minorUnits),
  });
  return create(ReturnSchema, {
    returnId,
    orderId,
    customerId,
    state: stateMessages[row.state],
    lines: row.lines.map(({ sku, title, quantity, unitPrice, accepted, restocked }) => ({
      sku,
      title,
      quantity: BigInt(quantity),
      unitPrice: money(unitPrice),
      accepted: BigInt(accepted),
      restocked: BigInt(restocked),
    })),
    words,
    decisionWords,
    ...(refund === null ? {} : { refund: money(refund) }),
    isShippingRefunded,
    createTime: timestampFromDate(row.createTime),
    updateTime: timestampFromDate(row.updateTime),
  });
}
