// Shipping with a carrier that is called for EXPRESS parcels, on a server of its own whose answers tests can take away.
import { sql } from "kysely";
import { OrderReadySchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import type { Shipment } from "#gen/ordermesh/shipping/v1/shipment_pb.ts";
import { ShippingService } from "#gen/ordermesh/shipping/v1/shipping_service_pb.ts";
import { newId } from "#runtime/ids.ts";
import { startCarrier, type TestCarrier } from "../../test/support/carrier.ts";
import { serviceFixture, type ServiceFixture } from "../../test/support/service-fixture.ts";
import { shipping } from "./main.ts";
import type { Tables } from "./store/shipments.ts";

export const secret = `whsec_${Buffer.from("a carrier that is called in tests").toString("base64")}`;
export const home = { recipient: "Ada", lines: ["1 Main St"], city: "Paris", postalCode: "75001", countryCode: "FR" };
export const lines = [
  { sku: "MUG", quantity: 2n },
  { sku: "TEA", quantity: 1n },
];

export interface CalledFixture extends ServiceFixture<Tables> {
  carrier: TestCarrier;
  /** Lets time pass. */
  advance(ms: number): void;
  shipmentOf(orderId: string): Promise<Shipment>;
  /** The parcel of an order that has just become ready. */
  made(shippingAddress?: typeof home): Promise<{ orderId: string; shipmentId: string }>;
  booked(): Promise<{ orderId: string; shipmentId: string; trackingNumber: string }>;
  stop(orderId: string): Promise<unknown>;
  /** The events of an order, such as "2 NumberChanged PP00000001". */
  told(orderId: string): Promise<string[]>;
  /** States of the bookings of an order. */
  bookingsOf(orderId: string): Promise<string[]>;
  /** Numbers of what the carrier has booked and not cancelled. */
  standing(): string[];
  /** What a test has left to be done, and with the carrier, is none of the next one's. */
  clear(): Promise<void>;
}

export async function calledFixture(): Promise<CalledFixture> {
  let passedMs = 0;
  const clock = { now: () => new Date(Date.now() + passedMs) };
  const carrier = await startCarrier({ tokens: ["token-of-demo"] });
  const env = {
    ORDERMESH_CARRIERS: "EXPRESS=parcelpost",
    ORDERMESH_CARRIER_URLS: `parcelpost=${carrier.url}`,
    ORDERMESH_CARRIER_TOKENS: "parcelpost:demo=token-of-demo",
    ORDERMESH_CARRIER_TIMEOUT_MS: "1000",
    ORDERMESH_CARRIER_WEBHOOK_SECRETS: `parcelpost:demo=${secret}`,
  };
  const fixture = await serviceFixture(shipping, { clock, env });
  const { db } = fixture.runtime;
  const client = () => fixture.client(ShippingService);
  // Work that is planned while this runs is due a moment after its start, and is meant too.
  const runDue = (until = new Date(clock.now().getTime() + 1_000)) => fixture.runDue(until);

  const shipmentOf = async (orderId: string): Promise<Shipment> => {
    const { shipment } = await client().getShipment({ orderId });
    if (!shipment) throw new Error("it has no shipment");
    return shipment;
  };
  const made = async (shippingAddress = home) => {
    const orderId = newId("ord");
    await fixture.deliver(OrderReadySchema, { orderId, shippingMethod: "EXPRESS", lines, shippingAddress });
    return { orderId, shipmentId: (await shipmentOf(orderId)).shipmentId };
  };

  return {
    ...fixture,
    carrier,
    advance: (ms) => (passedMs += ms),
    runDue,
    shipmentOf,
    made,
    booked: async () => {
      const about = await made();
      await runDue();
      return { ...about, trackingNumber: (await shipmentOf(about.orderId)).trackingNumber };
    },
    stop: (orderId) => client().stopShipment({ orderId, reason: "BUYER" }),
    told: async (orderId) =>
      (await fixture.sent())
        .filter(({ key }) => key === orderId)
        .map(({ typeName, sequence, message }) => {
          const number = typeof message["trackingNumber"] === "string" ? ` ${message["trackingNumber"]}` : "";
          return `${sequence} ${typeName.replace(/.*\.Shipment/, "")}${number}`.trimEnd();
        }),
    bookingsOf: async (orderId) => {
      const { rows } = await sql<{ state: string }>`
        select state from booking where order_id = ${orderId} order by parcel, version`.execute(db);
      return rows.map(({ state }) => state);
    },
    standing: () =>
      [...carrier.parcels.values()].filter(({ isCancelled }) => !isCancelled).map(({ trackingNumber }) => trackingNumber),
    clear: async () => {
      Object.assign(carrier, { fault: undefined, delayMs: 0, label: undefined, hasCollected: false });
      carrier.parcels.clear();
      carrier.requests.length = 0;
      await sql`delete from due_work`.execute(db);
    },
    close: async () => {
      await fixture.close();
      await carrier.close();
    },
  };
}
