// Changes of orders as the contract shows them.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  PreviewOrderChangeResponseSchema,
  type PreviewOrderChangeResponse,
} from "#gen/ordermesh/orders/v1/changes_service_pb.ts";
import { OrderChangeSchema, type OrderChange, type OrderContentSchema } from "#gen/ordermesh/orders/v1/order_change_pb.ts";
import { ceilingOf } from "../domain/change.ts";
import type { ChangeRow, OrderContent } from "../store/order-changes.ts";
import type { OrderRow } from "../store/read.ts";
import { changeStateMessages, methodMessages, taxMessage, taxMessages } from "./order-message.ts";
import { changeable, type Preview } from "./preview-change.ts";

const moneyOf =
  (currencyCode: string) =>
  (minorUnits: number): { currencyCode: string; minorUnits: bigint } => ({ currencyCode, minorUnits: BigInt(minorUnits) });

function contentMessage(content: OrderContent, currencyCode: string): MessageInitShape<typeof OrderContentSchema> {
  const money = moneyOf(currencyCode);
  const { items, subtotal, shippingCost, shippingTax, total, shippingMethod, shippingAddress } = content;
  return {
    lines: items.map(({ sku, title, quantity, unitPrice, tax }) => ({
      sku,
      title,
      quantity: BigInt(quantity),
      unitPrice: money(unitPrice),
      ...(tax && { tax: taxMessage(tax, currencyCode) }),
    })),
    shippingMethod: methodMessages[shippingMethod],
    ...(shippingAddress ? { shippingAddress } : {}),
    subtotal: money(subtotal),
    shippingCost: money(shippingCost),
    total: money(total),
    ...taxMessages(content, currencyCode),
    ...(shippingTax && { shippingTax: taxMessage(shippingTax, currencyCode) }),
  };
}

export function previewMessage(row: OrderRow, preview: Preview): PreviewOrderChangeResponse {
  const { before, after, stock, refusals, token } = preview;
  const money = moneyOf(row.currency_code);
  const ceiling = ceilingOf(changeable(row));
  return create(PreviewOrderChangeResponseSchema, {
    token: refusals.length === 0 ? token : "",
    etag: `"${row.version}"`,
    before: contentMessage(before, row.currency_code),
    ...(after && { after: contentMessage(after, row.currency_code), difference: money(after.total - before.total) }),
    ...(ceiling === undefined ? {} : { totalMax: money(ceiling) }),
    stock: stock.map(({ sku, added, available }) => ({
      sku,
      added: BigInt(added),
      available: BigInt(available),
      short: BigInt(Math.max(0, added - available)),
    })),
    refusals,
  });
}

export function changeMessage(change: ChangeRow, currencyCode: string): OrderChange {
  const { changeId, orderId, state, reason, detail, before, after, words, createTime, endTime } = change;
  return create(OrderChangeSchema, {
    changeId,
    orderId,
    state: changeStateMessages[state],
    reason,
    detail,
    before: contentMessage(before, currencyCode),
    after: contentMessage(after, currencyCode),
    words,
    createTime: timestampFromDate(createTime),
    ...(endTime && { endTime: timestampFromDate(endTime) }),
  });
}
