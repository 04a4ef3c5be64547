// What every carrier must do, asked of each: one parcel has one number, and no other parcel has it; and it proves what it says.
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  postalCodeRefused,
  startCarrier,
  testLabel,
  type CarrierFault,
  type TestCarrier,
} from "../../../test/support/carrier.ts";
import { createCarriers } from "./carriers.ts";
import {
  CarrierUnavailable,
  MessageInvalid,
  SignatureInvalid,
  type BookingDesk,
  type BookingRequest,
  type Carrier,
  type Carriers,
} from "./contract.ts";
import { readCarrierSettings } from "./settings.ts";

const secret = `whsec_${Buffer.from("a carrier that is called in tests").toString("base64")}`;
/** For those who wait for an answer that does not come; others have the time that a busy machine needs. */
const hurriedMs = 150;
let server: TestCarrier;
let carriers: Carriers;
let hurried: Carriers;

beforeAll(async () => {
  server = await startCarrier({ tokens: ["token-of-demo", "token-of-other"] });
  carriers = started(5_000);
  hurried = started(hurriedMs);
});
afterAll(() => server.close());

const started = (timeoutMs: number): Carriers =>
  createCarriers(
    readCarrierSettings({
      ORDERMESH_CARRIER_URLS: `parcelpost=${server.url}/`,
      ORDERMESH_CARRIER_TOKENS: "parcelpost:demo=token-of-demo,parcelpost:other=token-of-other",
      ORDERMESH_CARRIER_TIMEOUT_MS: String(timeoutMs),
      ORDERMESH_CARRIER_WEBHOOK_SECRETS: `sandbox:demo=${secret},external:demo=${secret},parcelpost:demo=${secret}`,
    }),
  );

const home = { recipient: "Ada", lines: ["1 Main St"], city: "Paris", postalCode: "75001", region: "", countryCode: "FR" };
const parcel = (shipmentId: string, change: Partial<BookingRequest> = {}): BookingRequest => ({
  tenant: "demo",
  key: `${shipmentId}.1`,
  shipmentId,
  orderId: "ord_1",
  method: "EXPRESS",
  from: ["The Shop", "10115 Berlin"],
  to: home,
  lines: [{ sku: "MUG", quantity: 2 }],
  ...change,
});

function named(name: string): Carrier {
  const carrier = carriers.named(name);
  if (!carrier) throw new Error(`there is no carrier ${name}`);
  return carrier;
}

function desk(of = carriers): BookingDesk {
  const own = of.named("parcelpost")?.desk;
  if (!own) throw new Error("it is not called");
  return own;
}

/** As shipping gets it: at once, or by booking. */
async function numberOf(carrier: Carrier, request: BookingRequest): Promise<string> {
  if (!carrier.desk) return carrier.trackingNumber(request.shipmentId);
  const answer = await carrier.desk.book(request);
  return answer.kind === "booked" ? answer.trackingNumber : answer.reason;
}

describe.each(["sandbox", "external", "parcelpost"])("%s", (name) => {
  test("gives a parcel the same number however often it is asked, also twenty times at once, and others others", async () => {
    const carrier = named(name);
    const request = parcel(`shp_${name}`);
    const numbers = await Promise.all(Array.from({ length: 20 }, () => numberOf(carrier, request)));
    expect(new Set(numbers).size).toBe(1);
    expect(numbers[0]).toMatch(/^[A-Za-z0-9-]{1,34}$/);
    const others = await Promise.all(Array.from({ length: 20 }, (_, at) => numberOf(carrier, parcel(`shp_${name}_${at}`))));
    expect(new Set([...others, ...numbers]).size).toBe(21);
  });

  test("knows a number without being called, or is called for it, and never both", () => {
    const carrier = named(name);
    expect(carrier.trackingNumber("shp_1") === "").toBe(carrier.desk !== undefined);
  });

  test("is believed what it has signed, and nothing else", () => {
    const carrier = named(name);
    const text = JSON.stringify({ type: "delivered", trackingNumber: "PP1", time: "2026-03-01T12:00:00Z" });
    const now = new Date();
    const headers = new Headers({
      "webhook-id": "msg_1",
      "webhook-timestamp": String(Math.floor(now.getTime() / 1_000)),
      "webhook-signature": new Webhook(secret).sign("msg_1", now, text),
    });
    const read = (tenant: string, said: string) => carrier.readMessage({ tenant, bytes: Buffer.from(said), headers });
    expect(read("demo", text)).toMatchObject({ id: "msg_1", type: "delivered", trackingNumber: "PP1" });
    expect(() => read("other", text)).toThrow(SignatureInvalid);
    expect(() => read("demo", text.replace("PP1", "PP2"))).toThrow(SignatureInvalid);
    headers.set("webhook-signature", new Webhook(secret).sign("msg_1", now, "{}"));
    expect(() => read("demo", "{}")).toThrow(MessageInvalid);
  });
});

describe("a carrier that is called", () => {
  test.each<{ fault: CarrierFault; isBooked: boolean }>([
    { fault: "lose answers", isBooked: true },
    { fault: "say nothing", isBooked: true },
    { fault: "answer 500 afterwards", isBooked: true },
    { fault: "lose requests", isBooked: false },
    { fault: "answer 503", isBooked: false },
  ])("$fault: what came of it is unknown, and found afterwards or not", async ({ fault, isBooked }) => {
    const request = parcel(`shp_${fault.replaceAll(" ", "_")}`);
    const before = server.parcels.size;
    server.fault = fault;
    const asked = desk(fault === "say nothing" ? hurried : carriers);
    await expect(asked.book(request)).rejects.toThrow(CarrierUnavailable);
    await expect(asked.find(request)).rejects.toThrow(CarrierUnavailable);
    await expect(asked.cancel({ tenant: "demo", key: "shp_none.1" })).rejects.toThrow(CarrierUnavailable);
    server.fault = undefined;
    expect((await desk().find(request))?.kind).toBe(isBooked ? "booked" : undefined);
    expect(await desk().book(request)).toEqual(await desk().find(request));
    expect(server.parcels.size).toBe(before + 1);
  });

  test("words without a number say nothing of what was done", async () => {
    server.fault = "talk nonsense";
    await expect(desk().book(parcel("shp_nonsense"))).rejects.toThrow("no trackingNumber");
    server.fault = undefined;
    expect((await desk().find(parcel("shp_nonsense")))?.kind).toBe("booked");
  });

  test("one that is late has not answered", async () => {
    server.delayMs = hurriedMs * 2;
    await expect(desk(hurried).book(parcel("shp_late"))).rejects.toThrow(`no answer within ${hurriedMs} ms`);
    server.delayMs = 0;
  });

  test("is told of the parcel, and its refusal is named and the last word on the key", async () => {
    const { tenant: _, key, ...told } = parcel("shp_told");
    await desk().book(parcel("shp_told"));
    expect(server.parcels.get(key)?.asked).toEqual(told);
    const nowhere = parcel("shp_nowhere", { to: { ...home, postalCode: postalCodeRefused } });
    const refused = { kind: "refused", reason: "ADDRESS_NOT_SERVED", message: `nothing goes to ${postalCodeRefused}` };
    expect([await desk().book(nowhere), await desk().find(nowhere)]).toEqual([refused, refused]);
  });

  test("cancels a booking once, says what it does not know, and names why it is too late", async () => {
    const request = parcel("shp_cancelled");
    expect(await desk().cancel(request)).toEqual({ kind: "unknown" });
    await desk().book(request);
    expect([await desk().cancel(request), await desk().cancel(request)]).toEqual([{ kind: "cancelled" }, { kind: "cancelled" }]);
    expect(await desk().find(request)).toMatchObject({ kind: "refused", reason: "BOOKING_CANCELLED" });
    await desk().book(parcel("shp_gone"));
    server.hasCollected = true;
    expect(await desk().cancel(parcel("shp_gone"))).toMatchObject({ kind: "refused", reason: "ALREADY_COLLECTED" });
    server.hasCollected = false;
  });

  test("accounts of tenants share nothing, and one without a token is told which setting it needs", async () => {
    await desk().book(parcel("shp_mine"));
    expect(await desk().find({ tenant: "other", key: "shp_mine.1" })).toBeUndefined();
    expect(await desk().cancel({ tenant: "other", key: "shp_mine.1" })).toEqual({ kind: "unknown" });
    await expect(desk().find({ tenant: "third", key: "shp_mine.1" })).rejects.toThrow("ORDERMESH_CARRIER_TOKENS");
  });

  test.each([
    { why: "a PDF", label: testLabel, bytes: 26, problem: "" },
    { why: "no PDF", label: Buffer.from("<html>").toString("base64"), bytes: undefined, problem: "no PDF" },
    { why: "no base64", label: "§", bytes: undefined, problem: "no base64" },
    {
      why: "too large",
      label: Buffer.concat([Buffer.from("%PDF-"), Buffer.alloc(1_048_576)]).toString("base64"),
      problem: "bytes",
    },
  ])("a label that is $why", async ({ why, label, bytes, problem }) => {
    server.label = label;
    const answer = await desk().book(parcel(`shp_label_${why.replaceAll(" ", "_")}`));
    server.label = undefined;
    if (answer.kind !== "booked") throw new Error(answer.reason);
    expect(answer.label?.length).toBe(bytes);
    expect(answer.labelProblem).toContain(problem);
  });

  test("an answer without an end is not read", async () => {
    server.label = "A".repeat(3_000_000);
    await expect(desk().book(parcel("shp_endless"))).rejects.toThrow("more than 2097152 bytes");
    server.label = undefined;
  });
});

test.each([
  ["ORDERMESH_CARRIER_URLS", "sandbox=http://127.0.0.1:1"],
  ["ORDERMESH_CARRIER_URLS", "parcelpost=ftp://127.0.0.1"],
  ["ORDERMESH_CARRIER_URLS", "parcelpost=http://me:secret@127.0.0.1"],
  ["ORDERMESH_CARRIER_TOKENS", "parcelpost:demo=secret"],
  ["ORDERMESH_CARRIER_TIMEOUT_MS", "20000"],
  ["ORDERMESH_CARRIERS", "EXPRESS=parcelpost"],
])("%s set to %s stops the start with its name, and without what is secret in it", (name, value) => {
  const read = () => readCarrierSettings({ [name]: value });
  expect(read).toThrow(name);
  expect(read).not.toThrow("secret");
});
