// Places an order for what is wanted instead of a return, by the way of all orders, and links both.
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { PlaceOrderRequestSchema, type PlaceOrderRequest } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { ShippingMethod } from "#gen/ordermesh/shipping/v1/shipment_pb.ts";
import { reasonOf } from "#runtime/errors.ts";
import { appendEvents } from "#runtime/events/outbox.ts";
import { dueWork, type DueWork } from "#runtime/schedule/due-work.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { exchangePlaced } from "../events/returned.ts";
import { exchangeKind } from "../store/audit.ts";
import { keyOf, lockOrders, saveOrders } from "../store/progress.ts";
import { readOrder, type OrderRow } from "../store/read.ts";
import { linkExchange, readExchange, saveReturn, type ReturnRow } from "../store/returns.ts";
import type { OrdersTables } from "../store/tables.ts";

type Outcome = { kind: "placed"; orderId: string } | { kind: "refused"; reason: string } | undefined;

/** As PlaceOrder: the same request_id leads to the same order, whoever dies in between. */
type Place = (request: PlaceOrderRequest) => Promise<OrderRow>;

export function exchanging(
  { db, clock, log }: Pick<ServiceRuntime<OrdersTables>, "db" | "clock" | "log">,
  place: Place,
): DueWork {
  return dueWork<OrdersTables, Outcome>({
    kind: exchangeKind,
    prepare: async ({ tenant, key: returnId }) => {
      const found = await readExchange(db, { tenant, returnId });
      if (found?.back.exchange?.state !== "waiting") return undefined;
      const order = await readOrder(db, { tenant, orderId: found.back.orderId });
      if (!order || found.token === "") return { kind: "refused", reason: "CUSTOMER_ERASED" };
      return placed(place, placement(found.back, order, found.token));
    },
    apply: async (tx, items) => {
      for (const { item, prepared } of items) {
        if (!prepared) continue;
        const { tenant, key: returnId } = item;
        const known = (await readExchange(tx, { tenant, returnId }))?.back;
        // Under the lock of the order that comes back, as every other step of its return.
        const order = known && (await lockOrders(tx, [known])).get(keyOf(known));
        if (!order) continue;
        const back = (await readExchange(tx, { tenant, returnId }))?.back;
        if (back?.exchange?.state !== "waiting") continue;
        const orderId = prepared.kind === "placed" ? prepared.orderId : "";
        const reason = prepared.kind === "refused" ? prepared.reason : "";
        await saveReturn(tx, {
          ...back,
          exchange: { ...back.exchange, state: prepared.kind, orderId, reason },
          updateTime: clock.now(),
        });
        if (orderId !== "") {
          await linkExchange(tx, { tenant, orderId, returnId });
          const about = { time: clock.now(), cause: item.cause };
          await appendEvents(tx, [exchangePlaced(order, { returnId, exchangeOrderId: orderId }, about)]);
          await saveOrders(tx, [order], clock.now());
        }
        log.info({ order: keyOf(back), returnId, orderId, reason }, "exchange_concluded");
      }
    },
  });
}

/** To where and how the first was sent, in its currency. The id of the return is the order's request_id. */
function placement(
  { returnId, customerId, currencyCode, exchange }: ReturnRow,
  order: OrderRow,
  paymentToken: string,
): PlaceOrderRequest {
  return create(PlaceOrderRequestSchema, {
    requestId: returnId,
    customerId,
    currency: currencyCode,
    paymentToken,
    items: (exchange?.items ?? []).map(({ sku, quantity }) => ({ sku, quantity: BigInt(quantity) })),
    shippingMethod: order.shipping_method === "EXPRESS" ? ShippingMethod.EXPRESS : ShippingMethod.STANDARD,
    ...(order.shipping_address ? { shippingAddress: order.shipping_address } : {}),
  });
}

/** A refusal ends the exchange: the buyer has its money back, and may order anew. That somebody is away ends nothing. */
async function placed(place: Place, request: PlaceOrderRequest): Promise<Outcome> {
  try {
    return { kind: "placed", orderId: (await place(request)).order_id };
  } catch (error) {
    const reason = reasonOf(error);
    const isFinal = error instanceof ConnectError && reason !== undefined && !passing.includes(error.code);
    if (!isFinal) throw error;
    return { kind: "refused", reason };
  }
}

const passing: readonly Code[] = [Code.Unavailable, Code.DeadlineExceeded, Code.ResourceExhausted, Code.Internal, Code.Unknown];
