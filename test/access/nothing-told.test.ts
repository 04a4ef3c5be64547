// What is another's is answered as what does not exist: to the letter, to the byte and by the same statements. For every RPC and
// every REST route whose request has the id of a resource, as another customer and as an operator of another shop.
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AdminService } from "#gen/ordermesh/identity/v1/admin_service_pb.ts";
import { CatalogService } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { CustomersService } from "#gen/ordermesh/customers/v1/customers_service_pb.ts";
import { FraudService } from "#gen/ordermesh/fraud/v1/fraud_service_pb.ts";
import { ListKind } from "#gen/ordermesh/fraud/v1/list_pb.ts";
import { WebhooksService } from "#gen/ordermesh/notifications/v1/webhooks_service_pb.ts";
import { TenantService } from "#gen/ordermesh/identity/v1/tenant_service_pb.ts";
import { ShippingService } from "#gen/ordermesh/shipping/v1/shipping_service_pb.ts";
import { limitOf } from "#runtime/limits/method-limit.ts";
import { OrderState, testMesh, type TestMesh } from "../support/mesh.ts";
import { ReturnsService } from "#gen/ordermesh/orders/v1/returns_service_pb.ts";
import { anyRequest, idFields, type Ids } from "./any-request.ts";
import { openForge } from "./forge.ts";
import { statementsOf, watchStatements } from "./statements.ts";
import { restRoutes, rpcs, type RestRoute, type Rpc } from "./surface.ts";

let mesh: TestMesh;
let sign: (claims: Record<string, unknown>) => Promise<string>;
/** Of what exists, and is a customer's and of the shop "demo". */
let others: Ids;
/** As long as those, of what does not exist. */
let missing: Ids;

const lastChanged = (id: string): string => `${id.slice(0, -1)}${id.endsWith("z") ? "y" : "z"}`;

beforeAll(async () => {
  watchStatements();
  mesh = await testMesh({ ORDERMESH_CARRIER_DISPATCH_MS: "0", ORDERMESH_CARRIER_DELIVER_MS: "0" });
  // Long ones, which are nowhere by chance.
  const [sku, customerId, clientId] = ["MUG-OF-THE-SHOP", "customer-of-the-shop", "client-of-the-shop"];
  await mesh.product(sku);
  const { orderId } = await mesh.place({ customerId, items: [{ sku, quantity: 1n }] });
  await mesh.reached(orderId, OrderState.DELIVERED);
  const wanted = { orderId, lines: [{ sku, quantity: 1n }], words: "too small", requestId: "return-of-the-shop" };
  const { return: returned } = await mesh.client(ReturnsService).requestReturn(wanted);
  const { shipment } = await mesh.client(ShippingService).getShipment({ orderId });
  const { rules } = await mesh.client(FraudService).listRules({});
  const { list } = await mesh.client(FraudService).createList({ list: { name: "of the shop", kind: ListKind.BIN } });
  const { products } = await mesh.client(CatalogService).listProducts({});
  const home = { recipient: "Ada", lines: ["1 Main St"], city: "Paris", countryCode: "FR" };
  const { address } = await mesh.client(CustomersService).createAddress({ customerId, address: home });
  const webhooks = mesh.client(WebhooksService);
  // A name that never means anything (RFC 2606, section 2).
  const { endpoint } = await webhooks.createWebhookEndpoint({ endpoint: { url: "https://hooks.invalid/" } });
  const { delivery } = await webhooks.pingWebhookEndpoint({ endpointId: endpoint?.endpointId ?? "" });
  await mesh.client(TenantService).createTenant({ tenantId: "tenant-of-a-third" });
  await mesh.client(AdminService).createClient({ clientId, roles: ["operator"], scopes: ["orders:read"] });
  others = {
    order_id: orderId,
    sku,
    rule_id: rules[0]?.ruleId ?? "",
    list_id: list?.listId ?? "",
    product_id: products[0]?.productId ?? "",
    client_id: clientId,
    customer_id: customerId,
    user_id: customerId,
    letter_id: "ltr_01kb2q0000e0000000000000zy",
    redrive_id: "rdr_01kb2q0000e0000000000000zy",
    event_id: "evt_01kb2q0000e0000000000000zy",
    resource_id: orderId,
    address_id: address?.addressId ?? "",
    tenant_id: "tenant-of-a-third",
    endpoint_id: endpoint?.endpointId ?? "",
    delivery_id: delivery?.deliveryId ?? "",
    return_id: returned?.returnId ?? "",
    shipment_id: shipment?.shipmentId ?? "",
  };
  missing = Object.fromEntries(Object.entries(others).map(([name, id]) => [name, lastChanged(id)]));
  const forge = await openForge(mesh);
  sign = (claims) => forge.sign({ claims });
});

afterAll(() => mesh.close());

interface Asker {
  who: string;
  role: "customer" | "operator";
  claims: Record<string, unknown>;
}
const askers: Asker[] = [
  { who: "another customer", role: "customer", claims: { sub: "eve", client_id: "shop", roles: ["customer"] } },
  { who: "another shop's operator", role: "operator", claims: { sub: "mallory", client_id: "mallory", tenant: "other" } },
];

/** What guesses at secrets is counted and compared elsewhere: endpoints-work.test.ts. */
function isTried({ method, access }: Rpc, role: Asker["role"]): boolean {
  if (idFields(method.input).length === 0 || limitOf(method) !== undefined || isCreation(method)) return false;
  // It begins something in the asker's own shop, which goes on between the calls that are compared.
  if (method.name === "EraseCustomer" && role === "operator") return false;
  // What is public is the shop's, so its customers may see it.
  return access.roles.has(role) || (access.isPublic && role === "operator");
}
/** Names in it are to be given, not to be found. */
const isCreation = ({ name }: Rpc["method"]): boolean => name.startsWith("Create");

interface Told {
  status: number;
  headers: Record<string, string>;
  body: string;
  /** Of a refusal; times have not all the same length. */
  bytes: number;
}

/** The answer with its ids taken out, and what is new in any answer. */
async function told(url: string, init: RequestInit, ids: Ids): Promise<Told> {
  const answer = await fetch(url, { ...init, signal: AbortSignal.timeout(20_000) });
  const bytes = Buffer.from(await answer.arrayBuffer());
  const headers = Object.fromEntries([...answer.headers].filter(([name]) => name !== "date" && name !== "content-length"));
  const decoded = bytes
    .toString("latin1")
    .replaceAll(encodedDetails, (_, text: string) => Buffer.from(text, "base64").toString("latin1"));
  const without = Object.values(ids).reduce((left, id) => left.replaceAll(id, "<id>"), decoded);
  const body = without
    .replaceAll(envelopeOf, "<envelope>")
    .replaceAll(/[a-z]{3}_[0-9a-z]{26}/g, "<new id>")
    .replaceAll(/"traceId":"[0-9a-f]{32}"/g, "<new trace>")
    .replaceAll(/\\?"20[\d-]+T[\d:.]+(?:Z|\+00:00)\\?"/g, "<time>");
  return { status: answer.status, headers, body, bytes: answer.ok ? 0 : bytes.length };
}

/** Flags and length of a message in a stream: a message with times is as long as its times are. The length of a refusal is compared. */
const envelopeOf = /[\p{Cc}][\p{Cc}]{2}[^]{2}(?=\{)/gu;

/** Connect and gRPC have the details of an error also as bytes. */
const encodedDetails = /(?<=value":"|grpc-status-details-bin: )([\w+/=-]+)/g;

const requestId = "asked-by-the-suite";
const headersWith = (token: string, contentType: string) => ({
  authorization: `Bearer ${token}`,
  "accept-encoding": "identity",
  "content-type": contentType,
  "x-request-id": requestId,
});

const envelope = (json: string): Uint8Array<ArrayBuffer> => Uint8Array.from(encodeEnvelope(0, Buffer.from(json)));

async function askRpc(protocol: "Connect" | "gRPC-Web", { method }: Rpc, token: string, ids: Ids): Promise<Told> {
  const json = JSON.stringify(anyRequest(method.input, ids));
  const isUnary = protocol === "Connect" && method.methodKind === "unary";
  const contentType = isUnary
    ? "application/json"
    : protocol === "Connect"
      ? "application/connect+json"
      : "application/grpc-web+json";
  const init = { method: "POST", headers: headersWith(token, contentType), body: isUnary ? json : envelope(json) };
  return told(`${mesh.rpcUrl}/${method.parent.typeName}/${method.name}`, init, ids);
}

async function askRoute({ method, httpMethod, template }: RestRoute, token: string, ids: Ids): Promise<Told> {
  const fields = anyRequest(method.input, ids);
  const inPath = [...template.matchAll(/\{([a-z_]+)\}/g)].map(([, name = ""]) => name);
  const path = template.replaceAll(/\{([a-z_]+)\}/g, (_, name: string) => ids[name] ?? "some");
  for (const name of inPath) delete fields[method.input.fields.find((field) => field.name === name)?.jsonName ?? ""];
  const texts = Object.entries(fields).filter((entry): entry is [string, string] => typeof entry[1] === "string");
  const init = { method: httpMethod, headers: headersWith(token, "application/json") };
  if (httpMethod !== "GET" && httpMethod !== "DELETE")
    return told(`${mesh.edgeUrl}${path}`, { ...init, body: JSON.stringify(fields) }, ids);
  return told(`${mesh.edgeUrl}${path}?${new URLSearchParams(texts).toString()}`, init, ids);
}

describe.each(askers)("to $who", ({ role, claims }) => {
  const tokenFor = ({ access }: Rpc): Promise<string> => sign({ ...claims, scope: access.scopes.join(" ") });
  const tried = rpcs.filter((rpc) => isTried(rpc, role));
  const routes = restRoutes.filter((route) => isTried(route, role));

  test.each(tried)("$name has known ids", ({ method }) => {
    expect(Object.keys(others)).toEqual(expect.arrayContaining(idFields(method.input)));
  });

  test.each(tried)("$name tells nothing by its answer", async (rpc) => {
    const token = await tokenFor(rpc);
    for (const protocol of ["Connect", "gRPC-Web"] as const) {
      const nothing = await askRpc(protocol, rpc, token, missing);
      expect(nothing.body, "the request is to be one that the contract takes").not.toContain("BadRequest");
      expect(await askRpc(protocol, rpc, token, others)).toEqual(nothing);
    }
  });

  test.each(tried)("$name tells nothing by the statements that it makes", async (rpc) => {
    const token = await tokenFor(rpc);
    // In kind and number: where several services are asked at once, theirs come in any order.
    const made = async (ids: Ids): Promise<string[]> =>
      (await statementsOf(requestId, () => askRpc("Connect", rpc, token, ids))).toSorted();
    // What is done at the first call only.
    await made(missing);
    const nothing = await made(missing);
    expect(await made(others)).toEqual(nothing);
  });

  test.each(routes)("$httpMethod $template tells nothing", async (route) => {
    const token = await tokenFor(route);
    expect(await askRoute(route, token, others)).toEqual(await askRoute(route, token, missing));
  });
});

test("statements are seen where they are made", async () => {
  const get = rpcs.find(({ name }) => name === "OrdersService/GetOrder")!;
  const token = await sign({ scope: "orders:read" });
  expect(await statementsOf(requestId, () => askRpc("Connect", get, token, others))).toContainEqual(
    expect.stringMatching(/select/),
  );
});

test("a customer's list is the same, page by page, whatever others order meanwhile", async () => {
  const eve = { customerId: "eve", items: [{ sku: others["sku"]!, quantity: 1n }] };
  const place = (customerId: string) => mesh.place({ ...eve, customerId });
  for (const customerId of ["eve", "ada", "eve", "ada", "eve"]) await place(customerId);
  const headers = { authorization: `Bearer ${await sign({ sub: "eve", roles: ["customer"], scope: "orders:read" })}` };
  const pages = async (): Promise<string[]> => {
    const answers: string[] = [];
    let pageToken = "";
    do {
      const query = new URLSearchParams({ pageSize: "1", pageToken }).toString();
      const answer = await fetch(`${mesh.edgeUrl}/v1/orders?${query}`, { headers });
      const { orders, nextPageToken } = (await answer.json()) as { orders: { orderId: string }[]; nextPageToken: string };
      answers.push(`${orders.map(({ orderId }) => orderId).join()} ${nextPageToken}`);
      pageToken = nextPageToken;
    } while (pageToken !== "");
    return answers;
  };
  const before = await pages();
  // No page more at the end for what is others', and no order on two pages.
  expect(before).toHaveLength(3);
  for (const customerId of ["ada", "bob", "ada"]) await place(customerId);
  expect(await pages()).toEqual(before);
});
