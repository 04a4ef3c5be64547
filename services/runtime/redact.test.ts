import { expect, test } from "vitest";
import { createLogger } from "./log.ts";
import { redact } from "./redact.ts";

const secret = "S3CR3T-hunter2";

/** What is written of one line, and whether it is JSON. */
function written(fields: object, message = "said"): { text: string; line: Record<string, unknown> } {
  let text = "";
  const log = createLogger({ level: "debug", destination: { write: (line) => void (text += line) } });
  log.info(fields, message);
  return { text, line: JSON.parse(text) as Record<string, unknown> };
}

test.each([
  ["a header", { authorization: `Bearer ${secret}` }],
  ["headers, deep down", { request: { raw: { headers: { Authorization: `Basic ${secret}`, "x-api-key": secret } } } }],
  ["a list of cookies", { headers: { "set-cookie": [`sid=${secret}`, "b=c"] } }],
  ["fields of a body", { body: { password: secret, paymentToken: secret, client_secret: `with "quotes" ${secret}` } }],
  ["a URL of a database", { url: `postgres://ordermesh:${secret}@db:5432/orders` }],
  ["a password that holds what it should not", { url: `nats://orders:a:b@${secret}@nats:4222` }],
  ["parameters of a URL", { path: `/v1/orders?access_token=${secret}&page=2` }],
  ["a form", { body: `grant_type=password&client_secret=${secret}&code=${secret}` }],
  ["JSON in a text", { body: `{"password": "${secret}", "sku": "MUG"}` }],
  ["an error", { err: new Error(`connect to postgres://me:${secret}@db failed`) }],
  ["an error's cause", { err: new Error("failed", { cause: new Error(`Authorization: Bearer ${secret}`) }) }],
  ["a token without a name", { note: `got eyJhbGciOiJSUzI1NiJ9.${secret}.c2ln` }],
])("%s is written without its secret", (_what, fields) => {
  const { text, line } = written(fields);
  expect(text).not.toContain(secret);
  expect(text).toContain("[redacted]");
  expect(line["msg"]).toBe("said");
});

test("a message is written without its secret", () => {
  expect(written({}, `trying nats://orders:${secret}@one`).line["msg"]).toBe("trying nats://[redacted]@one");
});

/** Processor time of this process, so that others on the machine do not count. Milliseconds. */
const cpuMsOf = (work: () => void): number => {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
};

test.each(["a.", "eyJ-", '\\"', "?a&", "a-", "://", '"token":"\\'])(
  "a line of %s that is ten times as long takes no hundred times",
  (part) => {
    const [short, long] = [part.repeat(1_500), part.repeat(15_000)];
    redact(long);
    const shortMs = Math.min(...[1, 2, 3].map(() => cpuMsOf(() => redact(short))));
    const longMs = Math.min(...[1, 2, 3].map(() => cpuMsOf(() => redact(long))));
    // A clock of the kernel's counts some milliseconds at once.
    expect(longMs).toBeLessThan(40 * (shortMs + 5));
  },
);

test("what is no secret is written as it is", () => {
  const fields = {
    path: "/v1/orders?pageSize=2&code",
    address: "https://orders:9090",
    mail: "ada@example.org",
    method: "ordermesh.orders.v1.OrdersService/PlaceOrder",
    reason: "the bearer of bad news",
  };
  const { line } = written({ ...fields, reason: "no news" });
  expect(line).toMatchObject({ ...fields, reason: "no news" });
});
