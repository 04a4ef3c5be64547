// Templates, preferences and erasures by RPC, on a database of their own.
import { create } from "@bufbuild/protobuf";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CustomerErasedSchema } from "#gen/ordermesh/customers/events/v1/customers_events_pb.ts";
import { TemplateContentSchema } from "#gen/ordermesh/notifications/v1/notification_pb.ts";
import { NotificationsService } from "#gen/ordermesh/notifications/v1/notifications_service_pb.ts";
import { OrderReadySchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { runInContext } from "#runtime/request-context.ts";
import { refusal, refusalWithMetadata } from "../../test/support/refusal.ts";
import { ada, heardOrder, notificationsFixture, type NotificationsFixture } from "./notifications.fixture.ts";

let fixture: NotificationsFixture;
beforeAll(async () => {
  fixture = await notificationsFixture({ ORDERMESH_CUSTOMER_MAILER: "log" });
});
afterAll(() => fixture.close());

const key = { fact: "shipped", language: "en", channel: "email" };
const content = { subject: "On its way: {{order_id}}", text: "Number {{tracking_number}}", html: "<b>{{customer_name}}</b>" };

describe("templates", () => {
  test("all are listed; one that the shop replaces says so, and goes back to ours", async () => {
    const { notifications } = fixture;
    expect((await notifications.listTemplates({})).templates).toHaveLength(84);
    const { template } = await notifications.putTemplate({ ...key, content });
    expect(template).toMatchObject({ ...key, content, isReplaced: true });
    await notifications.putTemplate({ ...key, language: "fr", content });
    const { templates } = await notifications.listTemplates({});
    expect(templates).toHaveLength(85);
    expect(templates.filter(({ isReplaced }) => isReplaced).map(({ language }) => language)).toEqual(["en", "fr"]);
    await notifications.deleteTemplate(key);
    expect((await notifications.getTemplate(key)).template).toMatchObject({ isReplaced: false });
    expect(await refusal(notifications.deleteTemplate(key))).toMatchObject({ reason: "TEMPLATE_NOT_FOUND" });
    await notifications.deleteTemplate({ ...key, language: "fr" });
    expect(await refusal(notifications.getTemplate({ ...key, language: "fr" }))).toMatchObject({ reason: "TEMPLATE_NOT_FOUND" });
  });

  test("a preview shows sample data, escaped in HTML, and changes nothing", async () => {
    const { preview } = await fixture.notifications.previewTemplate({ ...key, content });
    expect(preview).toMatchObject({
      subject: "On its way: ord_01h455vb4pex5vsknk084sn02q",
      text: "Number TRK123456",
      html: "<b>Ada &amp; Bob &lt;Lovelace&gt;</b>",
    });
    const german = await fixture.notifications.previewTemplate({ ...key, language: "de" });
    expect(german.preview?.text).toContain("Guten Tag");
    expect((await fixture.notifications.getTemplate(key)).template?.isReplaced).toBe(false);
  });

  test("what cannot be used is refused with what is wrong, and what is too large by its bound", async () => {
    const bad = create(TemplateContentSchema, { ...content, text: "{{password}}", html: "{{order_id" });
    const { putTemplate, previewTemplate } = fixture.notifications;
    for (const call of [putTemplate, previewTemplate]) {
      const { reason, metadata } = await refusalWithMetadata(call({ ...key, content: bad }));
      expect(reason).toBe("TEMPLATE_INVALID");
      expect(metadata?.["text"]).toContain("{{password}} is unknown here");
      expect(metadata?.["html"]).toContain("belongs to no placeholder");
    }
    const large = { ...content, text: "x".repeat(20_001) };
    await expect(fixture.notifications.previewTemplate({ ...key, content: large })).rejects.toThrow(/20000 bytes/);
  });

  test("another shop has its own", async () => {
    await fixture.notifications.putTemplate({ ...key, content });
    const other = fixture.clientOf("other", NotificationsService);
    expect((await other.getTemplate(key)).template?.isReplaced).toBe(false);
    expect(await refusal(other.deleteTemplate(key))).toMatchObject({ reason: "TEMPLATE_NOT_FOUND" });
    await fixture.notifications.deleteTemplate(key);
  });
});

test("a preference that is named twice is refused", async () => {
  const one = { fact: "ready", channel: "sms", enabled: true };
  const call = fixture.notifications.updatePreferences({ customerId: "ada", preferences: [one, { ...one, enabled: false }] });
  expect(await refusal(call)).toMatchObject({ reason: "PREFERENCE_GIVEN_TWICE" });
});

describe("an erasure", () => {
  const person = (orderIds: string[] = []) => ({ tenant: "demo", customerId: "grace", orderIds });
  const data = () => fixture.parts.personalData;

  test("takes what a customer said and what is under way; it is shown before, and nothing comes back after", async () => {
    fixture.customers.set("grace", ada);
    const preferences = [{ fact: "ready", channel: "sms", enabled: true }];
    await fixture.notifications.updatePreferences({ customerId: "grace", preferences });
    const sent = await heardOrder(fixture, "grace");
    await fixture.runDue();
    await fixture.deliver(OrderReadySchema, { orderId: sent });
    const message = JSON.stringify({ to: "grace@example.test", subject: "s", text: "t", html: "" });
    await sql`update notification set state = 'SENDING', message = ${message}::json
      where fact = 'ready' and channel = 'email'`.execute(fixture.runtime.db);
    const read = () =>
      runInContext({ requestId: "req_1", traceparent: "", tenant: "demo" }, async () => ({
        records: (await data()?.list(person(), undefined))?.records.map(({ kind }) => kind),
        remainders: (await data()?.remainders(person()))?.map(({ kind, reason }) => `${kind} ${reason}`).toSorted(),
      }));
    expect(await read()).toEqual({
      records: ["preference", "notification", "notification", "notification"],
      remainders: ["notification PLANNED", "notification SENDING", "preference SOON"],
    });
    await fixture.deliver(CustomerErasedSchema, { customerId: "grace" });
    expect((await read()).remainders).toEqual([]);
    await fixture.runDue();
    expect((await fixture.lines(sent)).toSorted()).toEqual([
      "created email SENT",
      "ready email UNKNOWN CUSTOMER_ERASED",
      "ready sms SKIPPED CUSTOMER_ERASED",
    ]);
    expect((await sql`select from notification where message is not null`.execute(fixture.runtime.db)).rows).toEqual([]);
    const again = fixture.notifications.updatePreferences({ customerId: "grace", preferences });
    expect(await refusal(again)).toMatchObject({ reason: "CUSTOMER_ERASED" });
  });
});
