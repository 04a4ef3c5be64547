// Returns as the contract shows them.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  ExchangeState,
  ReturnSchema,
  ReturnState,
  type ExchangeSchema,
  type Return,
} from "#gen/ordermesh/orders/v1/returns_service_pb.ts";
import type * as domain from "../domain/returns.ts";
import type { ExchangeRow, ReturnRow } from "../store/returns.ts";

const stateMessages: Record<domain.ReturnState, ReturnState> = {
  requested: ReturnState.REQUESTED,
  approved: ReturnState.APPROVED,
  rejected: ReturnState.REJECTED,
  received: ReturnState.RECEIVED,
};

const exchangeMessages: Record<domain.ExchangeState, ExchangeState> = {
  waiting: ExchangeState.WAITING,
  placed: ExchangeState.PLACED,
  refused: ExchangeState.REFUSED,
};

const exchangeMessage = ({ items, state, orderId, reason }: ExchangeRow): MessageInitShape<typeof ExchangeSchema> => ({
  items: items.map(({ sku, quantity }) => ({ sku, quantity: BigInt(quantity) })),
  state: exchangeMessages[state],
  orderId,
  reason,
});

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
    ...(row.exchange && { exchange: exchangeMessage(row.exchange) }),
  });
}
