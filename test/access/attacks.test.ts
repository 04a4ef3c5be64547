// What was tried on a running mesh and worked once.
import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { testMesh, type TestMesh } from "../support/mesh.ts";
import { openForge } from "./forge.ts";

let mesh: TestMesh;
let ada: string;
let eve: string;

beforeAll(async () => {
  mesh = await testMesh({ ORDERMESH_CARRIER_DISPATCH_MS: "600000" });
  await mesh.product("MUG");
  const { sign } = await openForge(mesh);
  const customer = (sub: string): Promise<string> =>
    sign({ claims: { sub, client_id: "shop", roles: ["customer"], scope: "orders:read orders:write" } });
  [ada, eve] = await Promise.all([customer("ada"), customer("eve")]);
});
afterAll(() => mesh.close());

const basket = { currency: "EUR", paymentToken: "tok_success", items: [{ sku: "MUG", quantity: "1" }] };

async function placeAs(token: string, key: string, change: object = {}): Promise<{ status: number; orderId?: string }> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json", "idempotency-key": key };
  const answer = await fetch(`${mesh.edgeUrl}/v1/orders`, {
    method: "POST",
    headers,
    body: JSON.stringify({ ...basket, ...change }),
  });
  return { status: answer.status, ...((await answer.json()) as object) };
}

describe("an idempotency key of another customer", () => {
  test("is neither in the way nor told of", async () => {
    const [first, second] = [await placeAs(eve, "cart-1"), await placeAs(ada, "cart-1")];
    expect([first.status, second.status]).toEqual([202, 202]);
    expect(second.orderId).not.toBe(first.orderId);
  });

  test("also not at the same moment, and each has its own answer again", async () => {
    const placed = await Promise.all([ada, eve, ada, eve].map((token) => placeAs(token, "cart-2")));
    expect(placed.map(({ status }) => status)).toEqual([202, 202, 202, 202]);
    expect(new Set(placed.map(({ orderId }) => orderId)).size).toBe(2);
    expect([placed[0]?.orderId, placed[1]?.orderId]).toEqual([placed[2]?.orderId, placed[3]?.orderId]);
    expect(await placeAs(ada, "cart-2", { items: [{ sku: "MUG", quantity: "2" }] })).toMatchObject({ status: 409 });
  });
});

describe("two tokens in one request are refused, whichever comes first", () => {
  const path = "/ordermesh.orders.v1.OrdersService/ListOrders";
  const statusOf = async (origin: string, request: string): Promise<string> => {
    const socket = connect(Number(new URL(origin).port), "127.0.0.1");
    socket.write(request);
    const [answer] = (await once(socket, "data")) as [Buffer];
    socket.destroy();
    return answer.toString().slice(9, 12);
  };
  const bothOrders = [() => [ada, eve], () => [eve, ada]];

  // By HTTP/2 in services/runtime/rpc/attacks.test.ts, as no client sends them.
  test.each(bothOrders)("over HTTP/1.1", async (tokens) => {
    const shown = tokens().map((token) => `Authorization: Bearer ${token}\r\n`);
    const list = `GET /v1/orders HTTP/1.1\r\nHost: here\r\n${shown.join("")}\r\n`;
    const call = `POST ${path} HTTP/1.1\r\nHost: here\r\n${shown.join("")}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`;
    expect([await statusOf(mesh.edgeUrl, list), await statusOf(mesh.rpcUrl, call)]).toEqual(["400", "400"]);
    expect(await statusOf(mesh.edgeUrl, list.replace(shown[1] ?? "", ""))).toBe("200");
  });
});
