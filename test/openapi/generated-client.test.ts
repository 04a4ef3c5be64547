// A client that a public generator makes of the document: it compiles under strict rules, places an order and follows it.
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { testMesh, type TestMesh } from "../support/mesh.ts";

const run = promisify(execFile);
const local = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

let folder: string;
let mesh: TestMesh;

beforeAll(async () => {
  [folder, mesh] = await Promise.all([mkdtemp(join(tmpdir(), "ordermesh-client-")), testMesh()]);
  await mesh.product("MUG-BLUE");
}, 90_000);
afterAll(async () => {
  await mesh?.close();
  await rm(folder, { recursive: true });
});

/** What somebody would write with it. Every value here is typed by what was generated. */
const program = `
import { createClient } from "./client/client/index.ts";
import { ordersServicePlaceOrder, ordersServiceGetOrder, ordersServiceWatchOrder, ordersServiceListOrders } from "./client/index.ts";
import type { OrdermeshOrdersV1OrderState } from "./client/index.ts";

const client = createClient({ baseUrl: process.env["EDGE_URL"]!, auth: () => process.env["TOKEN"]! });
const items = [{ sku: "MUG-BLUE", quantity: "2" }];
const placed = await ordersServicePlaceOrder({
  client,
  throwOnError: true,
  body: { customerId: "ada", currency: "EUR", paymentToken: "tok_success", items },
});
const orderId: string = placed.data.orderId ?? "";
const states: (OrdermeshOrdersV1OrderState | undefined)[] = [];
const watching = await ordersServiceWatchOrder({ client, path: { orderId }, throwOnError: true, parseAs: "text" });
for (const line of String(watching.data).split("\\n")) if (line !== "") states.push(JSON.parse(line).entry.state);
const read = await ordersServiceGetOrder({ client, path: { orderId }, throwOnError: true });
const listed = await ordersServiceListOrders({ client, query: { customerId: "ada" }, throwOnError: true });
const refused = await ordersServicePlaceOrder({
  client,
  body: { customerId: "ada", currency: "EUR", paymentToken: "tok_success", items: [{ sku: "NOWHERE", quantity: "1" }] },
});
console.log(JSON.stringify({
  placed: placed.response.status,
  state: read.data.state,
  states,
  listed: listed.data.orders?.map((order) => order.orderId === orderId),
  refused: { status: refused.response?.status, code: refused.error?.code },
}));
`;

test("it compiles, places an order, follows it, and reads what was refused", async () => {
  const hook = new URL("./typescript-api.ts", import.meta.url).href;
  const generate = `
    import { createClient } from "@hey-api/openapi-ts";
    const [input, path] = process.argv.slice(-2);
    await createClient({ input, output: { path }, logs: { level: "silent" } });`;
  const document = local("../../gen/openapi/openapi.json");
  const asked = ["--import", hook, "--input-type=module", "--eval", generate, document, join(folder, "client")];
  await run(process.execPath, asked, { cwd: local("../../") });
  expect(await readFile(join(folder, "client", "sdk.gen.ts"), "utf8")).toContain("ordersServicePlaceOrder");

  await writeFile(join(folder, "shop.ts"), program);
  await writeFile(join(folder, "package.json"), '{"type":"module"}');
  const strict = ["--strict", "--target", "es2024", "--module", "preserve", "--moduleResolution", "bundler"];
  const libraries = ["--lib", "es2024,dom,dom.iterable", "--typeRoots", local("../../node_modules/@types"), "--types", "node"];
  const imports = ["--rewriteRelativeImportExtensions", "--rootDir", folder, "--outDir", join(folder, "out")];
  const compile = [...strict, ...libraries, ...imports, "--skipLibCheck", "--ignoreConfig", join(folder, "shop.ts")];
  await run(local("../../node_modules/.bin/tsc"), compile);

  const bundled = join(folder, "out", "shop.js");
  const env = { EDGE_URL: mesh.edgeUrl, TOKEN: await mesh.token() };
  const { stdout } = await run(process.execPath, [bundled], { env });
  expect(JSON.parse(stdout)).toEqual({
    placed: 202,
    state: "ORDER_STATE_DELIVERED",
    states: ["PENDING", "PENDING_SHIPMENT", "SHIPPED", "DELIVERED"].map((state) => `ORDER_STATE_${state}`),
    listed: [true],
    refused: { status: 404, code: 5 },
  });
});
