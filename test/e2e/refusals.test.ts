// Bad input gets a clear refusal with a reason: 4xx, never 5xx, and never a stack or SQL in the answer.
import { afterAll, beforeAll, expect, test } from "vitest";
import { OrderState, testMesh, type TestMesh } from "../support/mesh.ts";

let mesh: TestMesh;

beforeAll(async () => {
  mesh = await testMesh();
  await mesh.product("MUG", { stock: 5 });
});

afterAll(() => mesh.close());

const basket = { customerId: "ada", currency: "EUR", paymentToken: "tok_success", items: [{ sku: "MUG", quantity: "1" }] };
const lines = (count: number): object[] => Array.from({ length: count }, () => ({ sku: "MUG", quantity: "1" }));
const json = (change: object): string => JSON.stringify({ ...basket, ...change });

const bad: { name: string; body: string; says: string | RegExp; status?: number }[] = [
  { name: "an unknown product", body: json({ items: [{ sku: "NOPE", quantity: "1" }] }), says: "PRODUCT_NOT_FOUND", status: 404 },
  { name: "a currency that is none", body: json({ currency: "XXX" }), says: "currency" },
  { name: "a currency it is not sold in", body: json({ currency: "JPY" }), says: "CURRENCY_NOT_SOLD" },
  { name: "quantity 0", body: json({ items: [{ sku: "MUG", quantity: "0" }] }), says: "items[0].quantity" },
  { name: "a negative quantity", body: json({ items: [{ sku: "MUG", quantity: "-1" }] }), says: "items[0].quantity" },
  { name: "10,001 lines", body: json({ items: lines(10_001) }), says: "items" },
  { name: "no lines", body: json({ items: [] }), says: "items" },
  { name: "a body of 10 MB", body: json({ deviceFingerprint: "x".repeat(10_000_000) }), says: /too large|larger|exceed|limit/i },
  { name: "broken JSON", body: '{"customerId": "ada", ', says: /JSON/i },
  { name: "an unknown field", body: json({ custmerId: "ada" }), says: "custmerId" },
  { name: "a field of another type", body: json({ items: "MUG" }), says: "items" },
  { name: "a NUL character", body: json({ deviceFingerprint: "a\u0000b", items: lines(1) }), says: /NUL/ },
  { name: "a card number in place of a token", body: json({ paymentToken: "4242424242424242" }), says: "payment_token" },
  { name: "an array", body: "[]", says: /object|JSON/i },
  { name: "nothing", body: "", says: /customer_id|JSON/i },
  {
    name: "more than there is",
    body: json({ items: [{ sku: "MUG", quantity: "6" }] }),
    says: "6 asked, 5 available",
    status: 409,
  },
];

async function ask(url: string, body: string): Promise<{ status: number; text: string }> {
  const headers = { "content-type": "application/json", authorization: `Bearer ${await mesh.token()}` };
  const answer = await fetch(url, { method: "POST", headers, body });
  return { status: answer.status, text: await answer.text() };
}

function expectRefusal({ status, text }: { status: number; text: string }, says: string | RegExp): void {
  expect(status, text).toBeGreaterThanOrEqual(400);
  expect(status, text).toBeLessThan(500);
  expect(text).toMatch(typeof says === "string" ? new RegExp(says.replaceAll(/[[\]()]/g, "\\$&")) : says);
  expect(text).not.toMatch(/\bat \S+ \(|node_modules|\.ts:\d|\b(select|insert|update) .* (from|into|set)\b/i);
}

test.each(bad)("$name is refused by REST", async ({ body, says, status }) => {
  const answer = await ask(`${mesh.edgeUrl}/v1/orders`, body);
  expectRefusal(answer, says);
  if (status) expect(answer.status).toBe(status);
  // google.rpc.Status with an ErrorInfo, always.
  expect(JSON.parse(answer.text)).toMatchObject({
    code: expect.any(Number),
    message: expect.any(String),
    details: expect.arrayContaining([
      expect.objectContaining({ "@type": "type.googleapis.com/google.rpc.ErrorInfo", domain: "ordermesh" }),
    ]),
  });
});

test.each(bad.filter(({ name }) => name !== "a body of 10 MB"))("$name is refused by Connect JSON", async ({ body, says }) => {
  expectRefusal(await ask(`${mesh.rpcUrl}/ordermesh.orders.v1.OrdersService/PlaceOrder`, body), says);
});

test("a body of 10 MB is refused by Connect JSON", async () => {
  const { status, text } = await ask(
    `${mesh.rpcUrl}/ordermesh.orders.v1.OrdersService/PlaceOrder`,
    json({ deviceFingerprint: "x".repeat(10_000_000) }),
  );
  expect(status).toBeGreaterThanOrEqual(400);
  expect(status).toBeLessThan(500);
  expect(text).toContain("resource_exhausted");
});

test("every bad field is named at once", async () => {
  const { status, text } = await ask(
    `${mesh.edgeUrl}/v1/orders`,
    JSON.stringify({ customerId: "a b", currency: "XXX", items: [{ sku: "", quantity: "0" }] }),
  );
  expect(status).toBe(400);
  const { details } = JSON.parse(text) as { details: { fieldViolations?: { field: string }[] }[] };
  const fields = details.flatMap((detail) => detail.fieldViolations ?? []).map((violation) => violation.field);
  expect(fields.toSorted()).toEqual(["currency", "customer_id", "items[0].quantity", "items[0].sku", "payment_token"]);
});

test("short stock names each SKU with what was asked and what there is, and leaves no order", async () => {
  await mesh.product("TEA", { stock: 2 });
  const items = [
    { sku: "MUG", quantity: "4" },
    { sku: "MUG", quantity: "4" },
    { sku: "TEA", quantity: "3" },
  ];
  const { status, text } = await ask(`${mesh.edgeUrl}/v1/orders`, json({ customerId: "nobody", items }));
  expect(status).toBe(409);
  const { details } = JSON.parse(text) as { details: { violations?: { subject: string; description: string }[] }[] };
  expect(details.flatMap((detail) => detail.violations ?? [])).toMatchObject([
    { subject: "MUG", description: "8 asked, 5 available" },
    { subject: "TEA", description: "3 asked, 2 available" },
  ]);
  expect((await mesh.orders.listOrders({ customerId: "nobody" })).orders).toEqual([]);
});

test.each([
  { path: "/v1/orders/ord_unknown", status: 404 },
  { path: "/v1/nothing", status: 404 },
  { path: "/v1/orders?pageToken=x", status: 400 },
  { path: "/v1/orders?pageSize=1000", status: 400 },
  { path: "/v1/orders?nothing=1", status: 400 },
  { path: "/v1/products/unknown", status: 404 },
  { path: "/v1/stock/UNKNOWN", status: 404 },
])("GET $path: $status", async ({ path, status }) => {
  const answer = await mesh.fetch(path);
  expect(answer.status, await answer.text()).toBe(status);
});

test("after all of it the mesh still works", async () => {
  const { orderId } = await mesh.place();
  await mesh.reached(orderId, OrderState.DELIVERED);
});
