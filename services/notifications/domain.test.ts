// Templates and money without a database: what is refused, what is escaped, and that every text there is can be used.
import { describe, expect, test } from "vitest";
import { defaultTemplates, languagesFor, templateInForce } from "./domain/default-templates.ts";
import { channels, effectivePreferences, facts, formatMoney, placeholdersOf, sampleOf, valuesOf } from "./domain/facts.ts";
import { settle } from "./domain/notification.ts";
import { problemsOf, render } from "./domain/render.ts";

const mail = { fact: "shipped", channel: "email" } as const;
const content = { subject: "Order {{order_id}}", text: "Hello {{customer_name}}", html: "<p>{{ customer_name }}</p>" };

test("there is a template for every fact and channel in English and German, and each can be used", () => {
  expect(defaultTemplates()).toHaveLength(facts.length * channels.length * 2);
  for (const template of defaultTemplates()) {
    expect(problemsOf(template.content, template), JSON.stringify(template)).toEqual({});
    const { subject, text, html } = render(template.content, sampleOf(template.language));
    expect(subject + text + html).not.toMatch(/\{\{|\}\}|undefined/);
    expect(text).not.toBe("");
  }
});

describe("a template", () => {
  test.each([
    {
      problem: {
        text: "{{total_price}} is unknown here; known are {{order_id}}, {{customer_name}}, {{total}}, {{tracking_number}}",
      },
      given: { text: "{{total_price}}" },
    },
    { problem: { text: /unknown here/ }, given: { text: "{{refund_amount}}" } },
    { problem: { text: /unknown here/ }, given: { text: "{{constructor}}" } },
    { problem: { html: /belongs to no placeholder/ }, given: { html: "{{#if order_id}}yes{{/if}}" } },
    { problem: { text: /belongs to no placeholder/ }, given: { text: "{{order_id" } },
    { problem: { text: /belongs to no placeholder/ }, given: { text: "{{{order_id}}}" } },
    { problem: { text: "has 101 placeholders, 100 at most" }, given: { text: "{{total}}".repeat(101) } },
    { problem: { subject: "has more than one line" }, given: { subject: "a\r\nBcc: eve@example.test" } },
    { problem: { subject: "is missing" }, given: { subject: "" } },
  ])("with $given is refused", ({ problem, given }) => {
    const problems = problemsOf({ ...content, ...given }, mail);
    expect(Object.keys(problems)).toEqual(Object.keys(problem));
    for (const [field, want] of Object.entries(problem)) {
      if (want instanceof RegExp) expect(problems[field]).toMatch(want);
      else expect(problems[field]).toBe(want);
    }
  });

  test("of an SMS has neither subject nor HTML, and is short", () => {
    expect(
      Object.keys(problemsOf({ ...content, text: "x".repeat(1_001) }, { fact: "shipped", channel: "sms" })).toSorted(),
    ).toEqual(["html", "subject", "text"]);
  });
});

describe("rendered", () => {
  const values = { order_id: "ord_1", customer_name: `<b onclick="x">'&'</b> {{order_id}}\r\nBcc: eve@example.test` };

  test("values are escaped in HTML, and in text they are as they are", () => {
    const { text, html } = render(content, values);
    expect(html).toContain("&lt;b onclick=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/b&gt;");
    expect(text).toContain(`<b onclick="x">`);
  });

  test("a value is not looked through for placeholders", () => {
    expect(render(content, values).text).toContain("{{order_id}}");
  });

  test("a subject stays one line", () => {
    expect(render({ ...content, subject: "For {{customer_name}}" }, values).subject).not.toMatch(/[\r\n]/);
  });
});

test.each([
  { currencyCode: "EUR", minorUnits: "123450", language: "en", want: "€1,234.50" },
  { currencyCode: "EUR", minorUnits: "5", language: "de", want: "0,05 €" },
  { currencyCode: "JPY", minorUnits: "1800", language: "en", want: "¥1,800" },
  { currencyCode: "BHD", minorUnits: "1234", language: "en", want: "BHD 1.234" },
  { currencyCode: "EUR", minorUnits: "900719925474099312", language: "en", want: "€9,007,199,254,740,993.12" },
])("$minorUnits of $currencyCode in $language is $want", ({ want, language, ...money }) => {
  expect(formatMoney(money, language).replaceAll("\u00a0", " ")).toBe(want);
});

test("only what a fact has can be named, and all of it has a value", () => {
  for (const fact of facts) for (const name of placeholdersOf(fact)) expect(sampleOf("en")[name]).not.toBe("");
  expect(valuesOf({ orderId: "ord_1", customerName: "", data: {} }, "en")["total"]).toBe("");
});

test("of what is in a parcel no more is named than fits into a mail", () => {
  const textOf = (count: number) => {
    const lines = Array.from({ length: count }, (_, index) => ({ sku: `SKU-${index}`, quantity: "2" }));
    return valuesOf({ orderId: "ord_1", customerName: "", data: { lines } }, "en")["parcel_lines"];
  };
  expect(textOf(2)).toBe("2 × SKU-0, 2 × SKU-1");
  expect(textOf(100)?.split(", ")).toHaveLength(21);
  expect(textOf(100)).toMatch(/SKU-19, …$/);
});

test("mails are wanted, all else is not, until a customer says otherwise", () => {
  const wanted = effectivePreferences([
    { fact: "ready", channel: "email", enabled: false },
    { fact: "ready", channel: "sms", enabled: true },
  ]);
  expect(wanted).toHaveLength(42);
  expect(wanted.filter(({ enabled }) => enabled).map(({ fact, channel }) => `${fact} ${channel}`)).toEqual([
    "created email",
    "payment_action_required email",
    "ready sms",
    "changed email",
    "change_refused email",
    "parcel_shipped email",
    "shipped email",
    "delivered email",
    "cancelled email",
    "return_approved email",
    "return_rejected email",
    "return_received email",
    "exchange_placed email",
    "refunded email",
  ]);
});

test("a customer is told in its language where there is one, else in English", () => {
  const own = { fact: "ready", language: "fr", channel: "email", content, replaceTime: new Date() } as const;
  const languageOf = (locale: string) =>
    templateInForce({ fact: "ready", channel: "email", languages: languagesFor(locale) }, [own])?.language;
  expect(["de-AT", "FR", "pt-BR", "", "constructor"].map(languageOf)).toEqual(["de", "fr", "en", "en", "en"]);
});

test.each([
  { outcome: { kind: "not_sent", reason: "R", attempts: 1 }, want: { state: "PLANNED", reason: "R", againInMs: 10 } },
  { outcome: { kind: "not_sent", reason: "R", attempts: 3 }, want: { state: "FAILED", reason: "R" } },
  {
    outcome: { kind: "unknown", reason: "R", attempts: 1, mayRepeat: true },
    want: { state: "SENDING", reason: "R", againInMs: 10 },
  },
  { outcome: { kind: "unknown", reason: "R", attempts: 3, mayRepeat: true }, want: { state: "UNKNOWN", reason: "R" } },
  { outcome: { kind: "unknown", reason: "R", attempts: 1, mayRepeat: false }, want: { state: "UNKNOWN", reason: "R" } },
] as const)("$outcome leaves $want", ({ outcome, want }) => {
  expect(settle(outcome, [10, 20])).toEqual(want);
});
