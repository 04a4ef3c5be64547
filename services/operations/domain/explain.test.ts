import { describe, expect, test } from "vitest";
import { conclude, waitsOf } from "./explain-conclusion.ts";
import { eventText } from "./explain-events.ts";
import { stepsOf } from "./explain.ts";
import type { SeenEvent, SeenLetter, ServiceHistory, ToldFact } from "./explain-parts.ts";

const at = (second: number): Date => new Date(Date.UTC(2026, 2, 1, 12, 0, second));

const event = (name: string, change: Partial<SeenEvent> = {}): SeenEvent => {
  const service = name.startsWith("Stock") ? "inventory" : name.startsWith("Payment") ? "payments" : "orders";
  const typeName = `ordermesh.${service}.events.v1.${name}`;
  return { id: name, typeName, time: at(0), sequence: 0, causeId: "", traceId: "", payload: {}, ...change };
};

const history = (service: string, change: Partial<ServiceHistory> = {}): ServiceHistory => ({
  service,
  heardTypes: new Set(),
  handled: [],
  parked: [],
  planned: [],
  calls: [],
  facts: [],
  waits: [],
  state: "",
  isFinal: false,
  ...change,
});

const letter: SeenLetter = {
  letterId: "ltr_1",
  state: "open",
  service: "shipping",
  eventId: "OrderReady",
  code: "HANDLER_FAILED",
  attempts: 3,
  waitsBehind: "",
  actions: [{ action: "CAPTURED", actor: "ordermesh", time: at(9) }],
};

const fact = (name: string, change: Partial<ToldFact> = {}): ToldFact => ({
  kind: "MONEY",
  name,
  id: "",
  time: at(0),
  text: name,
  toldBy: "",
  causeId: "",
  ...change,
});

const namesOf = (...given: Parameters<typeof stepsOf>): string[] => stepsOf(...given).map(({ name }) => name);
const nobody = { letters: [], services: [] };

describe("the order of steps", () => {
  test("what led to something comes before it, although its service's clock is ahead", () => {
    const events = [
      event("OrderPaymentDue", { time: at(1), sequence: 2, causeId: "StockReserved" }),
      event("StockReserved", { time: at(60), causeId: "OrderCreated" }),
      event("OrderCreated", { time: at(2), sequence: 1, causeId: "req_1" }),
    ];
    const call = { method: "x.OrdersService/PlaceOrder", time: at(3), requestId: "req_1", actor: "erp", roles: ["operator"] };
    const services = [history("orders", { calls: [call] })];
    expect(namesOf({ ...nobody, events, services })).toEqual(["PlaceOrder", "OrderCreated", "StockReserved", "OrderPaymentDue"]);
  });

  test("events of one service stay in its sequence, and without a cause time decides", () => {
    const events = [
      event("OrderShipped", { time: at(1), sequence: 3 }),
      event("OrderReady", { time: at(5), sequence: 2 }),
      event("PaymentCaptured", { time: at(4) }),
    ];
    expect(namesOf({ ...nobody, events })).toEqual(["PaymentCaptured", "OrderReady", "OrderShipped"]);
  });

  test("causes in a circle, which nobody honest sends, end nowhere", () => {
    const events = [event("OrderReady", { causeId: "StockReserved" }), event("StockReserved", { causeId: "OrderReady" })];
    expect(namesOf({ ...nobody, events }).toSorted()).toEqual(["OrderReady", "StockReserved"]);
  });

  test("the n-th fact stands before the n-th event that tells it, with its cause", () => {
    const events = [
      event("PaymentRefunded", { id: "second", time: at(8), sequence: 2, causeId: "req_2" }),
      event("PaymentRefunded", { id: "first", time: at(4), sequence: 1, causeId: "req_1" }),
    ];
    const facts = ["one", "two", "three"].map((name, index) => fact(name, { time: at(9 + index), toldBy: "PaymentRefunded" }));
    const steps = stepsOf({ ...nobody, events, services: [history("payments", { facts })] });
    expect(steps.map(({ name, causeId }) => [name, causeId])).toEqual([
      ["one", "req_1"],
      ["PaymentRefunded", "req_1"],
      ["two", "req_2"],
      ["PaymentRefunded", "req_2"],
      ["three", ""],
    ]);
  });

  test("an event that is there twice is one", () => {
    const events = [event("OrderReady"), event("OrderReady", { unsent: "" })];
    expect(stepsOf({ ...nobody, events })).toMatchObject([
      { name: "OrderReady", text: "orders told that the order may be sent" },
    ]);
  });
});

describe("what became of an event", () => {
  const events = [event("OrderReady")];
  const heardTypes = new Set(events.map(({ typeName }) => typeName));

  test("each service that hears it is told of", () => {
    const services = [
      history("inventory", { heardTypes, handled: [{ eventId: "OrderReady", time: at(1), attempts: 2 }] }),
      history("shipping", { heardTypes, parked: [{ eventId: "OrderReady", code: "HANDLER_FAILED", attempts: 3 }] }),
      history("notifications", { heardTypes }),
      history("fraud"),
    ];
    const steps = stepsOf({ ...nobody, events, services });
    expect(steps[0]?.handledBy).toEqual([
      { service: "inventory", outcome: "HANDLED", time: at(1), attempts: 2 },
      { service: "shipping", outcome: "PARKED", time: undefined, attempts: 3 },
      { service: "notifications", outcome: "NOT_YET", time: undefined, attempts: 0 },
    ]);
    expect(waitsOf({ services }, steps)).toMatchObject([{ service: "notifications", text: "its turn to handle OrderReady" }]);
  });

  test("one that can never be handled is a letter and parked nowhere", () => {
    const services = [history("shipping", { heardTypes })];
    expect(stepsOf({ events, letters: [letter], services })[0]?.handledBy).toMatchObject([{ outcome: "PARKED", attempts: 3 }]);
  });

  test("one that is not in the stream has reached nobody", () => {
    const services = [history("shipping", { heardTypes })];
    const steps = stepsOf({ ...nobody, events: [event("OrderReady", { unsent: "PAYLOAD_TOO_LARGE" })], services });
    expect(steps).toMatchObject([{ handledBy: [], text: expect.stringContaining("(cannot be published: PAYLOAD_TOO_LARGE)") }]);
  });
});

describe("the conclusion", () => {
  const wait = { service: "fraud", text: "somebody", until: at(50), nextStep: "" };
  const pending = history("orders", { state: "PENDING", waits: [wait] });
  const order = { events: [], letters: [], services: [pending] };

  test("names whom the order waits for, the earliest time, and what that service says can be done", () => {
    const theirs = { service: "fraud", text: "a person", until: at(20), nextStep: "POST /decide" };
    expect(conclude({ ...order, services: [pending, history("fraud", { waits: [theirs] })] })).toEqual({
      standing: "WAITING",
      text: "waits for somebody, until 2026-03-01T12:00:20.000Z at the latest",
      until: at(20),
      nextStep: "POST /decide",
    });
  });

  test.each([
    { state: "open" as const, waitsBehind: "", standing: "STOPPED", nextStep: "POST /v1/dead-letters/ltr_1:redrive" },
    { state: "redriving" as const, waitsBehind: "", standing: "WAITING", nextStep: "" },
    { state: "resolved" as const, waitsBehind: "", standing: "WAITING", nextStep: "" },
    { state: "open" as const, waitsBehind: "ltr_0", standing: "WAITING", nextStep: "" },
  ])("of a letter that is $state, behind '$waitsBehind'", ({ state, waitsBehind, standing, nextStep }) => {
    expect(conclude({ ...order, letters: [{ ...letter, state, waitsBehind }] })).toMatchObject({ standing, nextStep });
  });

  test("an event that is parked and no letter yet stops it as well", () => {
    const parked = [{ eventId: "evt_1", code: "HANDLER_FAILED", attempts: 3 }];
    const stopped = conclude({ ...order, services: [pending, history("shipping", { parked })] });
    expect(stopped).toMatchObject({ standing: "STOPPED", nextStep: "GET /v1/dead-letters?filter.eventId=evt_1" });
  });

  test("what is final stays so beside a letter, which is named", () => {
    const last = fact("CANCELLED", { kind: "STATE", text: "the order is CANCELLED, because of EXPIRED" });
    const final = history("orders", { state: "CANCELLED", isFinal: true, facts: [last] });
    expect(conclude({ ...order, letters: [letter], services: [final] })).toMatchObject({
      standing: "FINAL",
      text: "final: the order is CANCELLED, because of EXPIRED; but shipping has the dead letter ltr_1: HANDLER_FAILED",
    });
  });

  test("without orders it is not known", () => {
    expect(conclude({ ...order, services: [history("fraud")] })).toMatchObject({ standing: "UNKNOWN" });
  });
});

describe("an event in words", () => {
  test("codes are told, and what somebody wrote is not", () => {
    const declined = "told that the payment is declined, because of card_declined";
    expect(eventText("PaymentDeclined", { code: "card_declined" })).toBe(declined);
    expect(eventText("OrderCancelled", { reason: "Ada has moved", detail: "Ada" })).toBe("told that the order is cancelled");
  });

  test("one that is not known here has its name, and a payload that is none is no reason to fail", () => {
    expect(eventText("OrderFolded", { reason: "EXPIRED" })).toBe("told OrderFolded");
    expect(eventText("PaymentCaptured", {})).toBe("told that 0 minor units of  are taken");
    expect(eventText("StockInsufficient", { shortages: "none" })).toBe("told that the stock is too short: ");
  });
});
