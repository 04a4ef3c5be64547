// Messages of carriers: who may send them, and that a parcel ends right however they come.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { sql } from "kysely";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { OrderErasedSchema, OrderReadySchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { ShipmentState } from "#gen/ordermesh/shipping/v1/shipment_pb.ts";
import { ShippingAuditService } from "#gen/ordermesh/shipping/v1/shipping_audit_pb.ts";
import { ShippingService } from "#gen/ordermesh/shipping/v1/shipping_service_pb.ts";
import {
  CarrierMessageOutcome as Outcome,
  ReceiveCarrierMessageRequestSchema,
  ShippingWebhookService,
} from "#gen/ordermesh/shipping/v1/shipping_webhook_pb.ts";
import { newId } from "#runtime/ids.ts";
import { refusal } from "../../test/support/refusal.ts";
import { serviceFixture, type ServiceFixture } from "../../test/support/service-fixture.ts";
import { shipping } from "./main.ts";
import type { Tables } from "./store/shipments.ts";

const secretOf = (text: string): string => `whsec_${Buffer.from(text.padEnd(32, ".")).toString("base64")}`;
const [secret, nextSecret, othersSecret] = [secretOf("one"), secretOf("two"), secretOf("other")];
let fixture: ServiceFixture<Tables>;

beforeAll(async () => {
  fixture = await serviceFixture(shipping, {
    env: {
      ORDERMESH_CARRIERS: "EXPRESS=external",
      ORDERMESH_CARRIER_WEBHOOK_SECRETS: `external:demo=${secret},external:demo=${nextSecret},external:other=${othersSecret},sandbox:demo=${secret}`,
    },
  });
});
afterAll(() => fixture.close());

const minutesAgo = (minutes: number): string => new Date(Date.now() - minutes * 60_000).toISOString();

interface Sent {
  id?: string;
  secret?: string;
  carrier?: string;
  tenant?: string;
  ageSeconds?: number;
  tamper?: (text: string) => string;
  headers?: Record<string, string>;
}

async function sendText(text: string, sent: Sent = {}): Promise<Outcome> {
  const { id = newId("evt"), carrier = "external", tenant = "demo", ageSeconds = 0, tamper = (same) => same } = sent;
  const time = new Date(Date.now() - ageSeconds * 1_000);
  const headers = sent.headers ?? {
    "webhook-id": id,
    "webhook-timestamp": String(Math.floor(time.getTime() / 1_000)),
    "webhook-signature": new Webhook(sent.secret ?? secret).sign(id, time, text),
  };
  const body = { contentType: "application/json", data: new TextEncoder().encode(tamper(text)) };
  const request = create(ReceiveCarrierMessageRequestSchema, { carrier, tenant, body });
  return (await fixture.client(ShippingWebhookService).receiveCarrierMessage(request, { headers })).outcome;
}

const send = (message: object, sent: Sent = {}): Promise<Outcome> => sendText(JSON.stringify(message), sent);

async function madeParcel(change: MessageInitShape<typeof OrderReadySchema> = {}) {
  const orderId = newId("ord");
  await fixture.deliver(OrderReadySchema, { orderId, shippingMethod: "EXPRESS", customerId: "ada", ...change });
  const { shipment } = await fixture.client(ShippingService).getShipment({ orderId });
  const trackingNumber = shipment?.trackingNumber ?? "";
  const tell = (type: string, minutes: number, sent: Sent & { detail?: string; place?: string } = {}): Promise<Outcome> => {
    const { detail, place, ...rest } = sent;
    return send({ type, trackingNumber, time: minutesAgo(minutes), detail, place }, rest);
  };
  return { orderId, trackingNumber, tell };
}

const told = async (orderId: string): Promise<string[]> =>
  (await fixture.sent()).filter(({ key }) => key === orderId).map(({ typeName }) => typeName.split(".Shipment").at(-1) ?? "");
const shipmentOf = async (orderId: string) => (await fixture.client(ShippingService).getShipment({ orderId })).shipment;
const wayOf = async (orderId: string): Promise<string[]> =>
  (await fixture.client(ShippingService).getTracking({ orderId })).tracking?.events.map(({ event }) => event) ?? [];

describe("a message is refused", () => {
  test.each<Sent & { why: string }>([
    { why: "without headers", headers: {} },
    { why: "with another tenant's signature", secret: othersSecret },
    { why: "with a byte changed", tamper: (text) => text.replace("delivered", "deliverex") },
    { why: "that is older than five minutes", ageSeconds: 302 },
    { why: "that is more than five minutes ahead", ageSeconds: -302 },
    { why: "for a tenant of whom no secret is known", tenant: "third" },
    { why: "for another tenant", tenant: "other" },
  ])("$why", async (sent) => {
    const { orderId, tell } = await madeParcel();
    expect(await refusal(tell("delivered", 1, sent))).toEqual({
      code: Code.InvalidArgument,
      reason: "CARRIER_SIGNATURE_INVALID",
    });
    expect((await shipmentOf(orderId))?.state).toBe(ShipmentState.CREATED);
  });

  test.each([
    ["no JSON", "{"],
    ["no object", "null"],
    ["without a number", JSON.stringify({ type: "delivered", time: minutesAgo(1) })],
    ["a number that is none", JSON.stringify({ type: "delivered", trackingNumber: 1, time: minutesAgo(1) })],
    ["without a time zone", JSON.stringify({ type: "delivered", trackingNumber: "1", time: "2026-03-01T12:00:00" })],
    ["a day that there is not", JSON.stringify({ type: "delivered", trackingNumber: "1", time: "2026-13-01T12:00:00Z" })],
    ["two days ahead", JSON.stringify({ type: "delivered", trackingNumber: "1", time: minutesAgo(-2 * 24 * 60) })],
  ])("that is signed and %s", async (_, text) => {
    expect(await refusal(sendText(text))).toEqual({ code: Code.InvalidArgument, reason: "CARRIER_MESSAGE_INVALID" });
  });

  test("for a carrier that there is not", async () => {
    expect(await refusal(send({}, { carrier: "pigeon" }))).toEqual({ code: Code.NotFound, reason: "CARRIER_UNKNOWN" });
  });
});

test("either secret is good while one takes another's place", async () => {
  const { orderId, tell } = await madeParcel();
  expect([await tell("picked_up", 3), await tell("delivered", 2, { secret: nextSecret })]).toEqual([
    Outcome.TAKEN,
    Outcome.TAKEN,
  ]);
  expect(await told(orderId)).toEqual(["Created", "Dispatched", "Delivered"]);
});

test("an event that nobody knows is acknowledged, and an unknown number is asked for again for an hour", async () => {
  const { orderId, tell } = await madeParcel();
  expect(await tell("customs_cleared", 1)).toBe(Outcome.UNKNOWN_EVENT);
  expect(await wayOf(orderId)).toEqual([]);
  const unknown = (minutes: number) => send({ type: "delivered", trackingNumber: "000", time: minutesAgo(minutes) });
  expect(await refusal(unknown(59))).toEqual({ code: Code.NotFound, reason: "TRACKING_NUMBER_UNKNOWN" });
  expect(await unknown(61)).toBe(Outcome.UNKNOWN_PARCEL);
});

test("a number of another carrier is unknown, and the sandbox takes messages about its own", async () => {
  const { orderId, trackingNumber } = await madeParcel({ shippingMethod: "STANDARD" });
  const message = { type: "in_transit", trackingNumber, time: minutesAgo(1) };
  expect(await refusal(send(message))).toMatchObject({ reason: "TRACKING_NUMBER_UNKNOWN" });
  expect(await send(message, { carrier: "sandbox" })).toBe(Outcome.TAKEN);
  // The clock goes on from there.
  await fixture.runDue(new Date(Date.now() + 60_000));
  expect(await told(orderId)).toEqual(["Created", "Dispatched", "Delivered"]);
  expect(await wayOf(orderId)).toEqual(["in_transit", "delivered"]);
});

test("what comes twenty times at once and again, with other words, is taken once", async () => {
  const { orderId, tell } = await madeParcel();
  const message = { id: newId("evt") };
  const outcomes = await Promise.all(Array.from({ length: 20 }, () => tell("delivered", 5, message)));
  expect(outcomes.filter((outcome) => outcome === Outcome.TAKEN)).toHaveLength(1);
  expect(new Set(outcomes)).toEqual(new Set([Outcome.TAKEN, Outcome.REPEATED]));
  expect(await tell("returned_to_sender", 1, message)).toBe(Outcome.REPEATED);
  expect(await told(orderId)).toEqual(["Created", "Dispatched", "Delivered"]);
  expect(await wayOf(orderId)).toEqual(["delivered"]);
});

test("a parcel that fails and comes back tells each step once, though its way is told backwards", async () => {
  const { orderId, tell } = await madeParcel();
  await tell("delivery_failed", 20, { detail: "nobody\u0000at home", place: "Köln" });
  await tell("picked_up", 40);
  expect(await shipmentOf(orderId)).toMatchObject({ state: ShipmentState.DELIVERY_FAILED, failReason: "nobody at home" });
  await tell("out_for_delivery", 30);
  await tell("delivery_failed", 10, { detail: "again" });
  await tell("returned_to_sender", 5);
  await tell("in_transit", 35);
  expect(await told(orderId)).toEqual(["Created", "Dispatched", "DeliveryFailed", "Returned"]);
  expect(await wayOf(orderId)).toEqual([
    "picked_up",
    "in_transit",
    "out_for_delivery",
    "delivery_failed",
    "delivery_failed",
    "returned_to_sender",
  ]);
  expect((await shipmentOf(orderId))?.state).toBe(ShipmentState.RETURNED);
});

test("a failure that is over when it is told changes nothing", async () => {
  const { orderId, tell } = await madeParcel();
  await tell("out_for_delivery", 10);
  expect(await tell("delivery_failed", 20)).toBe(Outcome.TAKEN);
  expect((await shipmentOf(orderId))?.state).toBe(ShipmentState.DISPATCHED);
});

test("a stopped parcel stays stopped whatever a carrier says, and what it said is kept", async () => {
  const { orderId, tell } = await madeParcel();
  await fixture.client(ShippingService).stopShipment({ orderId, reason: "BUYER" });
  expect(await tell("picked_up", 1)).toBe(Outcome.TAKEN);
  expect((await shipmentOf(orderId))?.state).toBe(ShipmentState.STOPPED);
  expect(await told(orderId)).toEqual(["Created", "Stopped"]);
  expect(await wayOf(orderId)).toEqual(["picked_up"]);
});

test("a parcel of a carrier without a clock waits for its word, and the audit finds nothing missing", async () => {
  const { orderId, tell } = await madeParcel();
  await fixture.runDue(new Date(Date.now() + 600_000));
  const state = async () => (await shipmentOf(orderId))?.state;
  expect(await state()).toBe(ShipmentState.CREATED);
  await tell("picked_up", 1);
  await fixture.runDue(new Date(Date.now() + 600_000));
  expect(await state()).toBe(ShipmentState.DISPATCHED);
  const audit = fixture.client(ShippingAuditService);
  expect((await audit.auditShipments({})).discrepancies).toEqual([]);
  const { shipment } = await audit.resumeShipment({ orderId, reason: "hurry" });
  expect(shipment?.nextStepTime).toBeUndefined();
});

test("an erasure takes places and words out, and none come in afterwards", async () => {
  const { orderId, tell } = await madeParcel();
  await tell("delivery_failed", 10, { detail: "the neighbour Eve has it", place: "1 Main St" });
  await tell("delivered", 5);
  await fixture.deliver(OrderErasedSchema, { orderId, customerId: "ada" });
  await tell("in_transit", 20, { detail: "Eve", place: "1 Main St" });
  const { rows } = await sql`select place, detail from tracking_event where order_id = ${orderId}`.execute(fixture.runtime.db);
  expect(rows).toEqual(Array.from({ length: 3 }, () => ({ place: "", detail: "" })));
  expect(JSON.stringify(await shipmentOf(orderId), (_, value: unknown) => (typeof value === "bigint" ? 0 : value))).not.toContain(
    "Eve",
  );
});

test.each([
  ["ORDERMESH_CARRIERS", "PIGEON=sandbox"],
  ["ORDERMESH_CARRIERS", "EXPRESS=pigeon"],
  ["ORDERMESH_CARRIER_WEBHOOK_SECRETS", "external:demo=whsec_short"],
  ["ORDERMESH_CARRIER_WEBHOOK_SECRETS", `pigeon:demo=${secret}`],
])("%s set to %s stops the start with its name", (name, value) => {
  expect(() => shipping.create({ ...fixture.runtime, env: { [name]: value } })).toThrow(name);
});
