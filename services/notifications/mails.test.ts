// Mails to customers: a real SMTP server, and Resend's SDK against a server of our own. At most one for each fact.
import { createServer, type AddressInfo } from "node:net";
import { sql } from "kysely";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { OrderChangedSchema, OrderChangeRefusedSchema } from "#gen/ordermesh/orders/events/v1/order_changed_pb.ts";
import {
  OrderCancelledSchema,
  OrderDeliveredSchema,
  OrderReadySchema,
  OrderShippedSchema,
} from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import {
  ExchangePlacedSchema,
  ReturnApprovedSchema,
  ReturnReceivedSchema,
  ReturnRejectedSchema,
} from "#gen/ordermesh/orders/events/v1/return_events_pb.ts";
import { OrderCreatedSchema } from "#gen/ordermesh/orders/events/v2/order_created_pb.ts";
import { PaymentActionRequiredSchema, PaymentRefundedSchema } from "#gen/ordermesh/payments/events/v1/payments_events_pb.ts";
import { ShipmentDispatchedSchema } from "#gen/ordermesh/shipping/events/v1/shipping_events_pb.ts";
import { newId } from "#runtime/ids.ts";
import { runInContext } from "#runtime/request-context.ts";
import { resendServer, smtpServer } from "../../test/operations/mail-servers.ts";
import { freePorts } from "../../test/support/ports.ts";
import { ada, created, heardOrder, notificationsFixture, type NotificationsFixture } from "./notifications.fixture.ts";

const from = { ORDERMESH_CUSTOMER_MAIL_FROM: "Shop <shop@example.test>", ORDERMESH_CUSTOMER_MAIL_RETRY_MS: "0,0" };
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});
const kept = async <Closable extends { close(): Promise<void> }>(opening: Promise<Closable>): Promise<Closable> => {
  const opened = await opening;
  closing.push(opened.close);
  return opened;
};
const overSmtp = (host: string) => ({ ...from, ORDERMESH_CUSTOMER_MAILER: "smtp", ORDERMESH_SMTP_URL: `smtp://${host}` });
const header = (source: string, name: string): string | undefined =>
  new RegExp(`^${name}: (.*)$`, "im").exec(source)?.[1]?.trim();
const euros = (minorUnits: bigint) => ({ currencyCode: "EUR", minorUnits });

describe("by SMTP", () => {
  let smtp: Awaited<ReturnType<typeof smtpServer>>;
  let fixture: NotificationsFixture;
  beforeAll(async () => {
    smtp = await smtpServer();
    fixture = await notificationsFixture(overSmtp(smtp.host));
  });
  afterEach(() => void smtp.mails.splice(0));
  afterAll(async () => {
    await fixture.close();
    await smtp.close();
  });
  const subjects = () => smtp.mails.map(({ source }) => header(source, "Subject") ?? "");

  test("each fact of an order is one mail, whatever the number of times that it is heard", async () => {
    const orderId = newId("ord");
    const heard = async () => {
      await fixture.repeat(OrderCreatedSchema, created(orderId), "evt_created");
      await fixture.repeat(PaymentActionRequiredSchema, { orderId }, "evt_action");
      await fixture.repeat(OrderReadySchema, { orderId }, "evt_ready");
      await fixture.repeat(OrderShippedSchema, { orderId, trackingNumber: "TRK1" }, "evt_shipped");
      await fixture.repeat(OrderDeliveredSchema, { orderId }, "evt_delivered");
      await fixture.repeat(OrderCancelledSchema, { orderId, reason: "OUT_OF_STOCK" }, "evt_cancelled");
      await fixture.repeat(PaymentRefundedSchema, { orderId, amount: euros(100n) }, "evt_refund_1");
      await fixture.repeat(PaymentRefundedSchema, { orderId, amount: euros(250n) }, "evt_refund_2");
    };
    await heard();
    await heard();
    await fixture.runDue();
    await heard();
    await fixture.runDue();
    expect(subjects().toSorted()).toEqual(
      [
        `We have your order ${orderId}`,
        `Confirm the payment of order ${orderId}`,
        `Your order ${orderId} is confirmed`,
        `Your order ${orderId} is on its way`,
        `Your order ${orderId} has arrived`,
        `Your order ${orderId} is cancelled`,
        `Money back for your order ${orderId}`,
        `Money back for your order ${orderId}`,
      ].toSorted(),
    );
    expect(new Set(smtp.mails.flatMap(({ recipients }) => recipients))).toEqual(new Set([ada.email]));
    const all = smtp.mails.map(({ source }) => source.replaceAll("=\r\n", "")).join("");
    for (const words of ["TRK1", "23.80", "1.00", "2.50", "Ada &lt;Lovelace&gt;", "Ada <Lovelace>"]) expect(all).toContain(words);
    expect(new Set(smtp.mails.map(({ source }) => header(source, "Message-ID"))).size).toBe(8);
    expect((await fixture.lines(orderId)).every((line) => line.endsWith("email SENT"))).toBe(true);
  });

  test("changes and returns are told of once each, and a refused change to who has asked for it", async () => {
    const orderId = await heardOrder(fixture);
    const [returnId, exchangeOrderId] = ["rtn_1", "ord_instead"];
    const change = (changeId: string, minorUnits: bigint) => ({ orderId, changeId, total: euros(minorUnits) });
    const refused = (changeId: string, isAskedByCustomer: boolean) => ({
      orderId,
      changeId,
      reason: "STOCK_UNAVAILABLE",
      isAskedByCustomer,
    });
    const heard = async (round: string) => {
      await fixture.repeat(OrderChangedSchema, change("chg_1", 2_100n), `evt_change_1${round}`);
      await fixture.repeat(OrderChangedSchema, change("chg_2", 1_900n), `evt_change_2${round}`);
      await fixture.repeat(OrderChangeRefusedSchema, refused("chg_3", true), `evt_refused${round}`);
      await fixture.repeat(OrderChangeRefusedSchema, refused("chg_4", false), `evt_refused_operator${round}`);
      await fixture.repeat(ReturnApprovedSchema, { orderId, returnId }, `evt_approved${round}`);
      await fixture.repeat(ReturnReceivedSchema, { orderId, returnId, refund: euros(1_700n) }, `evt_received${round}`);
      await fixture.repeat(ExchangePlacedSchema, { orderId, returnId, exchangeOrderId }, `evt_placed${round}`);
      await fixture.repeat(ReturnRejectedSchema, { orderId, returnId: "rtn_2" }, `evt_rejected${round}`);
    };
    await heard("");
    await fixture.runDue();
    await heard("_again");
    await fixture.runDue();
    expect((await fixture.lines(orderId)).toSorted()).toEqual([
      "change_refused email SENT",
      "changed email SENT",
      "changed email SENT",
      "created email SENT",
      "exchange_placed email SENT",
      "return_approved email SENT",
      "return_received email SENT",
      "return_rejected email SENT",
    ]);
    const all = smtp.mails.map(({ source }) => source.replaceAll("=\r\n", "")).join("");
    for (const words of ["21.00", "19.00", "17.00", "STOCK_UNAVAILABLE", "rtn_1", "rtn_2", exchangeOrderId]) {
      expect(all).toContain(words);
    }
  });

  test("each of several parcels that leaves is one mail, with its number and what is in it; one that is all of the order is none", async () => {
    const orderId = await heardOrder(fixture);
    const [one, other] = [
      { shipmentId: "shp_1", trackingNumber: "TRK-ONE", lines: [{ sku: "MUG", quantity: 3n }] },
      { shipmentId: "shp_2", trackingNumber: "TRK-OTHER", lines: [{ sku: "TEA", quantity: 1n }] },
    ];
    const left = ({ shipmentId, lines }: typeof one) => ({ orderId, shipmentId, lines, parcels: [one, other] });
    const heard = async (round: string) => {
      await fixture.repeat(ShipmentDispatchedSchema, left(other), `evt_other${round}`);
      await fixture.repeat(ShipmentDispatchedSchema, left(one), `evt_one${round}`);
      await fixture.repeat(OrderShippedSchema, { orderId, trackingNumber: "TRK-ONE", isSplit: true }, `evt_all${round}`);
      const whole = { orderId: "ord_whole", shipmentId: "shp_3", lines: one.lines };
      await fixture.repeat(ShipmentDispatchedSchema, whole, `evt_whole${round}`);
    };
    await heard("");
    await fixture.runDue();
    await heard("_again");
    await fixture.runDue();
    expect((await fixture.lines(orderId)).toSorted()).toEqual([
      "created email SENT",
      "parcel_shipped email SENT",
      "parcel_shipped email SENT",
    ]);
    expect(await fixture.lines("ord_whole")).toEqual([]);
    const parcels = smtp.mails.filter(({ source }) => header(source, "Subject")?.includes("A parcel of your order"));
    const words = parcels.map(({ source }) => source.replaceAll("=\r\n", ""));
    for (const [number, units] of [
      ["TRK-ONE", "MUG"],
      ["TRK-OTHER", "TEA"],
    ] as const) {
      expect(words.filter((text) => text.includes(number) && text.includes(units))).toHaveLength(1);
    }
  });

  test("two events at the same moment make one mail", async () => {
    const orderId = await heardOrder(fixture);
    await Promise.all(["evt_a", "evt_b", "evt_c"].map((id) => fixture.repeat(OrderReadySchema, { orderId }, id)));
    await fixture.runDue();
    expect(subjects().filter((subject) => subject?.includes("confirmed"))).toHaveLength(1);
  });

  test("a German customer is told in German, and a template of the shop takes the place of ours", async () => {
    fixture.customers.set("max", { ...ada, locale: "de-AT", displayName: "Max" });
    const key = { fact: "ready", language: "de", channel: "email" };
    const first = await heardOrder(fixture, "max");
    await fixture.runDue();
    expect(smtp.mails[0]?.source.replaceAll("=\r\n", "")).toContain("Guten Tag Max");
    await fixture.notifications.putTemplate({ ...key, content: { subject: "Los {{order_id}}", text: "Es geht los." } });
    await fixture.deliver(OrderReadySchema, { orderId: first });
    await fixture.runDue();
    expect(subjects().at(-1)).toBe(`Los ${first}`);
    await fixture.notifications.deleteTemplate(key);
  });

  test.each([
    { who: "unknown", customer: undefined, reason: "NO_ADDRESS" },
    { who: "silent", customer: { ...ada, email: "" }, reason: "NO_ADDRESS" },
    { who: "gone", customer: { ...ada, isErased: true }, reason: "CUSTOMER_ERASED" },
  ])("customer $who gets no mail: $reason", async ({ who, customer, reason }) => {
    if (customer) fixture.customers.set(who, customer);
    const orderId = await heardOrder(fixture, who);
    await fixture.runDue();
    expect(await fixture.lines(orderId)).toEqual([`created email SKIPPED ${reason}`]);
    expect(smtp.mails).toEqual([]);
  });

  test("an order that was not heard of is asked for; one that nobody knows is told of to nobody", async () => {
    await fixture.deliver(OrderReadySchema, { orderId: "ord_before" }, { orderId: "ord_never" });
    await fixture.runDue();
    expect(await fixture.lines("ord_before")).toEqual(["ready email SENT"]);
    expect(await fixture.lines("ord_never")).toEqual(["ready email SKIPPED ORDER_NOT_FOUND"]);
  });

  test("a fact of yesterday is told of no more", async () => {
    const orderId = newId("ord");
    await fixture.repeat(OrderCreatedSchema, created(orderId), "evt_old", new Date(Date.now() - 25 * 3_600_000));
    await fixture.runDue();
    expect(await fixture.lines(orderId)).toEqual(["created email SKIPPED TOO_OLD"]);
  });

  test("who wants no mail gets none, and who wants an SMS is in the log without number and words", async () => {
    fixture.customers.set("eve", ada);
    const said = [
      { fact: "ready", channel: "email", enabled: false },
      { fact: "ready", channel: "sms", enabled: true },
      { fact: "ready", channel: "push", enabled: true },
    ];
    await fixture.notifications.updatePreferences({ customerId: "eve", preferences: said });
    const orderId = await heardOrder(fixture, "eve");
    await fixture.deliver(OrderReadySchema, { orderId });
    await fixture.runDue();
    expect((await fixture.lines(orderId)).toSorted()).toEqual([
      "created email SENT",
      "ready email SKIPPED NOT_WANTED",
      "ready push SENT",
      "ready sms SENT",
    ]);
    expect(subjects()).toEqual([`We have your order ${orderId}`]);
  });

  test("what was claimed by somebody who died is not sent a second time, and says that nobody knows", async () => {
    const orderId = await heardOrder(fixture);
    const [work] = fixture.parts.dueWork ?? [];
    const { rows } = await sql<{ key: string }>`select key from due_work`.execute(fixture.runtime.db);
    const key = rows[0]?.key ?? "";
    // As in a process that dies after the server has taken the mail, and before that is written down.
    const item = {
      id: "due_x",
      kind: work?.kind ?? "",
      tenant: "demo",
      key,
      dueTime: new Date(),
      attempt: 1,
      cause: { id: "req_1", traceparent: "" },
    };
    await runInContext({ requestId: "req_1", traceparent: "", tenant: "demo" }, () => work?.prepare?.(item));
    expect(smtp.mails).toHaveLength(1);
    await fixture.runDue();
    expect(smtp.mails).toHaveLength(1);
    expect(await fixture.lines(orderId)).toEqual(["created email UNKNOWN OUTCOME_UNKNOWN"]);
    const left = await sql`select from notification where message is not null`.execute(fixture.runtime.db);
    expect(left.rows).toEqual([]);
  });
});

test("a server that is away is tried again, and after the last attempt the mail has failed with its cause", async () => {
  const [port = 0] = await freePorts(1);
  const fixture = await kept(notificationsFixture(overSmtp(`127.0.0.1:${port}`)));
  const first = await heardOrder(fixture);
  await fixture.runDue();
  expect(await fixture.lines(first)).toEqual([expect.stringMatching(/^created email FAILED SMTP failed: E\w+$/)]);
  const { notifications } = await fixture.notifications.listOrderNotifications({ orderId: first });
  expect(notifications[0]).toMatchObject({ attempts: 3, provider: "smtp", language: "en" });
});

/** Takes the text of a mail and hangs up instead of saying that it has it. */
async function hangingUp() {
  const seen = { mails: 0 };
  const server = createServer((socket) => {
    let text: string | undefined;
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      if (text === undefined) {
        if (chunk.toString().startsWith("DATA")) text = "";
        socket.write(text === undefined ? "250 yes\r\n" : "354 go on\r\n");
        return;
      }
      text += chunk.toString();
      if (!text.endsWith("\r\n.\r\n")) return;
      seen.mails += 1;
      socket.destroy();
    });
    socket.write("220 here\r\n");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { seen, host, close: () => new Promise<void>((resolve) => server.close(() => resolve())) };
}

test("a server that hangs up after the text may have taken the mail: it is given no second one", async () => {
  const server = await kept(hangingUp());
  const fixture = await kept(notificationsFixture(overSmtp(server.host)));
  const orderId = await heardOrder(fixture);
  await fixture.runDue();
  expect(server.seen.mails).toBe(1);
  expect(await fixture.lines(orderId)).toEqual([expect.stringMatching(/^created email UNKNOWN SMTP failed: \w+$/)]);
});

describe("by Resend", () => {
  const open = async (answers: { status: number; body: object }[]) => {
    const resend = await kept(resendServer(answers));
    const { ORDERMESH_ALERT_MAILER: _, ...env } = resend.env;
    return { resend, fixture: await kept(notificationsFixture({ ...from, ...env, ORDERMESH_CUSTOMER_MAILER: "resend" })) };
  };

  test("a 500 is repeated under the same key with the same words", async () => {
    const { resend, fixture } = await open([
      { status: 500, body: { statusCode: 500, name: "internal_server_error", message: "x" } },
    ]);
    const orderId = await heardOrder(fixture);
    await fixture.runDue();
    const keys = resend.requests.map(({ headers }) => headers["idempotency-key"]);
    expect(keys).toHaveLength(2);
    expect(keys[0]).toMatch(/^ntf_/);
    expect(keys[1]).toBe(keys[0]);
    expect(resend.requests[1]?.body).toEqual(resend.requests[0]?.body);
    expect(await fixture.lines(orderId)).toEqual(["created email SENT"]);
  });

  test("what was claimed by somebody who died is handed over under the same key; a day later it is left", async () => {
    const { resend, fixture } = await open([]);
    const orderId = await heardOrder(fixture);
    const message = JSON.stringify({ to: "ada@example.test", subject: "s", text: "t", html: "" });
    const claimed = (age: string) =>
      sql`
      update notification set state = 'SENDING', provider = 'resend', attempts = 1, message = ${message}::json,
        claim_time = now() - ${age}::interval
      where state in ('PLANNED', 'SENDING')`.execute(fixture.runtime.db);
    await claimed("1 minute");
    await fixture.runDue();
    expect(resend.requests.map(({ body }) => body.subject)).toEqual(["s"]);
    expect(await fixture.lines(orderId)).toEqual(["created email SENT"]);
    const old = await heardOrder(fixture);
    await claimed("24 hours");
    await fixture.runDue();
    expect(resend.requests).toHaveLength(1);
    expect(await fixture.lines(old)).toEqual(["created email UNKNOWN OUTCOME_UNKNOWN"]);
  });
});

test("without a mailer mails are skipped at once, and nothing is planned", async () => {
  const fixture = await kept(notificationsFixture());
  const orderId = await heardOrder(fixture);
  expect(await fixture.runDue()).toBe(0);
  expect(await fixture.lines(orderId)).toEqual(["created email SKIPPED NO_MAILER"]);
});
