// Pages in a real browser: a shop's, on another origin, which places orders and follows them, by REST and by Connect-Web; and that of
// the documentation, which reaches nothing but the edge.
import { createServer, type Server } from "node:http";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Browser } from "puppeteer-core";
import { throwAwayIdentity } from "../../tools/operator.ts";
import { openForge } from "../access/forge.ts";
import { openPage, startBrowser, type WatchedPage } from "../support/browser.ts";
import { testMesh, type TestMesh } from "../support/mesh.ts";

let mesh: TestMesh;
let browser: Browser;
let site: Server;
let watched: WatchedPage;
let shop: object;

const way = ["PENDING", "PENDING_SHIPMENT", "SHIPPED", "DELIVERED"].map((state) => `ORDER_STATE_${state}`);

/** The page and its script, as a shop would serve them. */
async function startSite(): Promise<{ server: Server; origin: string }> {
  const bundle = await rolldown({ input: fileURLToPath(new URL("./client.ts", import.meta.url)), platform: "browser" });
  const { output } = await bundle.generate({ format: "iife" });
  await bundle.close();
  const script = output[0].code;
  const server = createServer((request, response) => {
    const isScript = request.url === "/client.js";
    response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
    response.end(isScript ? script : '<!doctype html><link rel="icon" href="data:," /><script src="client.js"></script>');
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the site listens on no port");
  return { server, origin: `http://127.0.0.1:${address.port}` };
}

beforeAll(async () => {
  const { server, origin } = await startSite();
  site = server;
  [mesh, browser] = await Promise.all([testMesh({ ORDERMESH_CORS_ORIGINS: origin }), startBrowser()]);
  await mesh.product("MUG-BLUE");
  const { sign } = await openForge(mesh);
  const claims = { sub: "ada", client_id: "shop", roles: ["customer" as const], scope: "orders:read orders:write" };
  shop = { edgeUrl: mesh.edgeUrl, rpcUrl: mesh.rpcUrl, token: await sign({ claims }), customerId: "ada", sku: "MUG-BLUE" };
  watched = await openPage(browser, origin);
}, 90_000);
afterAll(async () => {
  await browser?.close();
  await mesh?.close();
  site?.close();
});

/** Calls what client.ts has put into the page. */
const inPage = (call: string) => watched.page.evaluate(call) as Promise<{ states: string[]; addresses?: string[] }>;

test("by fetch and an EventSource, with a ticket and no token in any address", async () => {
  const { states, addresses = [] } = await inPage(`byRest(${JSON.stringify(shop)})`);
  expect(states).toEqual(way);
  expect(addresses.join()).toMatch(/\?stream_ticket=omt_[\w-]{43}$/);
  expect(watched.problems).toEqual([]);
});

test.each(["connect", "grpc-web"])("by Connect-Web over %s, straight to the services", async (protocol) => {
  const { states } = await inPage(`byRpc(${JSON.stringify(shop)}, ${JSON.stringify(protocol)})`);
  expect(states).toEqual(way);
  expect(watched.problems).toEqual([]);
});

test("a page of an origin that is not named reads nothing", async () => {
  const stranger = await openPage(browser, `${mesh.edgeUrl}/docs`);
  const refused = `fetch(${JSON.stringify(`${mesh.rpcUrl}/ordermesh.orders.v1.OrdersService/GetOrder`)}, {method: "POST"})`;
  await expect(stranger.page.evaluate(refused)).rejects.toThrow("Failed to fetch");
  await stranger.page.close();
});

test("an order is placed from the page, with a token that it has asked for", async () => {
  const { page, hosts, problems } = await openPage(browser, `${mesh.edgeUrl}/docs`);
  await page.waitForSelector(".opblock-tag");
  expect((await page.$$(".opblock-tag")).length).toBeGreaterThan(20);

  /** By the element and not by its place, which moves while the page grows. */
  const press = async (selector: string): Promise<void> => {
    await page.waitForSelector(selector);
    await page.$eval(selector, (element) => (element as unknown as { click(): void }).click());
  };
  await press(".btn.authorize");
  await page.waitForSelector("#client_secret_clientCredentials");
  await page.type("#client_id_clientCredentials", "operator");
  await page.type("#client_secret_clientCredentials", throwAwayIdentity.ORDERMESH_OPERATOR_SECRET);
  await press(".modal-ux .btn.authorize");
  await page.waitForSelector(".modal-ux .btn.modal-btn.auth ::-p-text(Logout)");
  await press(".modal-ux .btn-done");

  await press("#operations-tag-OrdersService");
  const operation = "#operations-OrdersService-OrdersService_PlaceOrder";
  await press(`${operation} .opblock-summary-control`);
  // Without what the operation must have nothing is sent, and the example is there a little later than the button.
  await page.waitForFunction(`document.querySelector("${operation} textarea")?.value.includes("MUG-BLUE")`);
  await press(`${operation} .btn.execute`);
  await page.waitForSelector(`${operation} .live-responses-table .response-col_status`);
  const status = await page.$eval(`${operation} .live-responses-table tbody .response-col_status`, (cell) => cell.textContent);
  expect(status).toContain("202");
  const body = await page.$eval(`${operation} .live-responses-table .highlight-code`, (code) => code.textContent);
  expect(body).toContain('"orderId"');
  expect([...hosts]).toEqual([new URL(mesh.edgeUrl).host]);
  expect(problems).toEqual([]);
});
