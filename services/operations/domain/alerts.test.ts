// Time, content and masks of an alert.
import { expect, test } from "vitest";
import { fitForMail } from "./alerts-mask.ts";
import { renderAlert } from "./alerts-render.ts";
import { alertTime, type AlertNews, type LetterNews } from "./alerts.ts";

const now = new Date("2026-03-01T12:00:00Z");

test.each([
  { name: "a card number", text: "card 4111111111111111 declined", hidden: "4111111111111111" },
  { name: "a card number in groups", text: "card 4111 1111 1111 1111.", hidden: "1111" },
  { name: "a card number with dashes", text: "5500-0000-0000-0004", hidden: "0004" },
  { name: "a card number behind other digits", text: "order 12 4111 1111 1111 1111", hidden: "4111" },
  { name: "a card number inside a longer number", text: "994111111111111111077", hidden: "4111111111111111" },
  { name: "a card number across lines", text: "4111\n1111\n1111\n1111", hidden: "4111" },
  { name: "a URL's password", text: "connect postgres://shop:hush-hush@db:5432/x failed", hidden: "hush-hush" },
  { name: "a URL's password with signs in it", text: "nats://shop:p/a@ss:w@host failed", hidden: "ss:w" },
  { name: "a bearer token", text: "sent Authorization: Bearer abc.DEF-123_~+/=", hidden: "abc.DEF" },
  { name: "a bare bearer token", text: "bearer abcdef123 refused", hidden: "abcdef123" },
  { name: "a JSON web token", text: "jwt eyJhbGciOi.eyJzdWIi.c2ln expired", hidden: "eyJzdWIi" },
  { name: "a payment token", text: "token tok_visa_4242 unknown", hidden: "visa_4242" },
  { name: "a provider's key", text: "used re_AbCdEf123", hidden: "AbCdEf123" },
  { name: "a named password", text: 'config {"password": "open sesame"}', hidden: "sesame" },
  { name: "a named secret", text: "secret=abc123", hidden: "abc123" },
])("$name does not get into a mail", ({ text, hidden }) => {
  expect(fitForMail(text)).not.toContain(hidden);
  expect(fitForMail(text)).toMatch(/\*\*\*|\[card number\]/);
});

test.each([
  "16 digits 1000000000000000",
  "12 digits 411111111111",
  "ord_01h455vb4pex5vsknk084sn02q",
  "http://host:80/path",
  "0000000000000000",
])("%s is left as it is", (text) => expect(fitForMail(text)).toBe(text));

test("a cause is cut to 200 characters, after its masks, in one line", () => {
  const text = fitForMail(`${"word ".repeat(39)}\r\n4111111111111111 and more`);
  expect(text.length).toBeLessThanOrEqual(200);
  expect(text).not.toMatch(/[\r\n]|4111/);
  expect(fitForMail("1".repeat(1_000_000)).length).toBeLessThanOrEqual(200);
});

test("the first news waits for company, and mails keep their distance", () => {
  const times = { firstNewsTime: now, groupSeconds: 30, pauseSeconds: 300 };
  const after = (seconds: number): Date => new Date(now.getTime() + seconds * 1_000);
  expect(alertTime({ ...times, lastSentTime: undefined })).toEqual(after(30));
  expect(alertTime({ ...times, lastSentTime: after(-1_000) })).toEqual(after(30));
  expect(alertTime({ ...times, lastSentTime: after(-10) })).toEqual(after(290));
});

const letter: LetterNews = {
  letterId: "ltr_1",
  consumer: "inventory-0",
  typeName: "ordermesh.orders.events.v1.OrderCreated",
  key: "ord_1",
  code: "HANDLER_FAILED",
  message: `<script>alert("x")</script> & 'more'`,
  failureTime: new Date(now.getTime() - 125_000),
};
const none: AlertNews = { letters: 0, violations: 0, groups: [], groupsTotal: 0, firstLetters: [], firstViolations: [] };
const group = { consumer: letter.consumer, typeName: letter.typeName, code: letter.code, letters: 312 };
const violation = { violationId: "vio_1", check: "stock.on_hand", key: "MUG", message: "3 is not 4", seenTime: now };

test("a mail says how much is new, of which kind, what came first, and what to do", () => {
  const news = {
    letters: 312,
    violations: 1,
    groups: [group],
    groupsTotal: 3,
    firstLetters: [letter],
    firstViolations: [violation],
  };
  const { subject, text, html } = renderAlert(news, now);
  expect(subject).toBe("[ordermesh] 312 dead letters, 1 audit violation");
  expect(text).toContain("312 | inventory-0 | ordermesh.orders.events.v1.OrderCreated | HANDLER_FAILED");
  expect(text).toContain("and 2 more");
  expect(text).toContain(`ltr_1 | ord_1 | HANDLER_FAILED: ${letter.message} | 2 min`);
  expect(text).toContain("and 311 more");
  expect(text).toContain("stock.on_hand | MUG | 3 is not 4 | 0 s");
  expect(text).toContain("POST /v1/dead-letters/ltr_1:redrive");
  expect(text).toContain("GET /v1/audit");
  expect(html).not.toContain("<script");
  expect(html).toContain("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; &#39;more&#39;");
});

test("a mail leaves out what there is none of", () => {
  const { subject, text } = renderAlert({ ...none, violations: 2, firstViolations: [violation] }, now);
  expect(subject).toBe("[ordermesh] 2 audit violations");
  expect(text).not.toMatch(/dead.letter/i);
  expect(renderAlert({ ...none, letters: 1, groups: [group], groupsTotal: 1, firstLetters: [letter] }, now).subject).toBe(
    "[ordermesh] 1 dead letter",
  );
});
