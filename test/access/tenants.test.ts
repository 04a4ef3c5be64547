// An operator of another shop, with every scope and every id, sees and changes nothing of this one: by every RPC that operators
// may call.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createConnectTransport } from "@connectrpc/connect-node";
import { createClient, type Transport } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { TaxRatesService } from "#gen/ordermesh/catalog/v1/tax_rates_service_pb.ts";
import { CustomersService } from "#gen/ordermesh/customers/v1/customers_service_pb.ts";
import { AdminService } from "#gen/ordermesh/identity/v1/admin_service_pb.ts";
import { TenantService } from "#gen/ordermesh/identity/v1/tenant_service_pb.ts";
import { FraudService } from "#gen/ordermesh/fraud/v1/fraud_service_pb.ts";
import { ListKind } from "#gen/ordermesh/fraud/v1/list_pb.ts";
import { InventoryService } from "#gen/ordermesh/inventory/v1/inventory_service_pb.ts";
import { NotificationsService } from "#gen/ordermesh/notifications/v1/notifications_service_pb.ts";
import { WebhooksService } from "#gen/ordermesh/notifications/v1/webhooks_service_pb.ts";
import { PaymentsService } from "#gen/ordermesh/payments/v1/payments_service_pb.ts";
import { ParcelsService } from "#gen/ordermesh/shipping/v1/parcels_service_pb.ts";
import { RatesService } from "#gen/ordermesh/shipping/v1/rates_service_pb.ts";
import { jpeg } from "../../services/media/media.fixture.ts";
import { OrderState, testMesh, type TestMesh } from "../support/mesh.ts";
import { openForge } from "./forge.ts";
import { until } from "../support/until.ts";
import { callRpc, rpcs, type Rpc } from "./surface.ts";

let mesh: TestMesh;
let mediaFolder: string;
let transport: Transport;
let orderId: string;
let shipmentId: string;
let ruleId: string;
let listId: string;
let addressId: string;
let pageToken: string;
let endpointId: string;
let deliveryId: string;
let tokenOf: (rpc: Rpc) => Promise<string>;

beforeAll(async () => {
  mediaFolder = await mkdtemp(join(tmpdir(), "ordermesh-tenants-"));
  mesh = await testMesh({ ORDERMESH_CARRIER_DISPATCH_MS: "600000", ORDERMESH_MEDIA_DIR: mediaFolder });
  await mesh.product("MUG");
  ({ orderId } = await mesh.place());
  await mesh.place();
  await mesh.reached(orderId, OrderState.PENDING_SHIPMENT);
  ({ nextPageToken: pageToken } = await mesh.orders.listOrders({ pageSize: 1 }));
  await until(async () => {
    const { shipments } = await mesh.client(ParcelsService).listShipments({ orderId });
    shipmentId = shipments[0]?.shipmentId ?? "";
    return shipmentId !== "";
  });
  const condition = { case: "bin" as const, value: { prefix: "9" } };
  const { rule } = await mesh.client(FraudService).createRule({ rule: { description: "ours", weight: 5, condition } });
  ruleId = rule?.ruleId ?? "";
  const { list } = await mesh.client(FraudService).createList({ list: { name: "ours", kind: ListKind.BIN } });
  listId = list?.listId ?? "";
  await mesh.client(FraudService).addListEntries({ listId, entries: [{ value: "9" }] });
  const { address } = await mesh.client(CustomersService).createAddress({ customerId: "ada", address: home });
  addressId = address?.addressId ?? "";
  const image = { method: "POST", headers: { "content-type": "image/jpeg" }, body: Uint8Array.from(await jpeg(40, 30)) };
  const uploaded = await mesh.fetch("/v1/users/ada/image", image);
  if (!uploaded.ok) throw new Error(`the image is refused: ${await uploaded.text()}`);
  const webhooks = mesh.client(WebhooksService);
  const { endpoint } = await webhooks.createWebhookEndpoint({ endpoint: { url: hookUrl } });
  endpointId = endpoint?.endpointId ?? "";
  const { delivery } = await webhooks.pingWebhookEndpoint({ endpointId });
  deliveryId = delivery?.deliveryId ?? "";
  await mesh.client(NotificationsService).putTemplate({ ...template, language: "fr", content: words });
  await mesh.client(AdminService).createClient({ clientId: "erp", roles: ["operator"], scopes: ["orders:read"] });
  await mesh.client(RatesService).putZone({ zone: "benelux", countryCodes: ["NL"] });
  await mesh.client(RatesService).putRate({ rate: { ...theirRate, zone: "benelux", baseMinorUnits: 700n, maxMinorUnits: 700n } });
  await mesh.client(TaxRatesService).putTaxRate({ rate: { ...theirTax, taxClass: "REDUCED", name: "ours" } });
  await mesh.client(TenantService).createTenant({ tenantId: "other" });
  transport = createConnectTransport({ baseUrl: mesh.rpcUrl, httpVersion: "2" });
  const { sign } = await openForge(mesh);
  tokenOf = ({ access }) =>
    sign({
      claims: { sub: "mallory", client_id: "mallory", tenant: "other", roles: ["operator"], scope: access.scopes.join(" ") },
    });
  // The services make a new shop ready when they hear of it.
  const listRules = rpcs.find(({ name }) => name === "FraudService/ListRules")!;
  await until(async () => (await callRpc(transport, listRules, await tokenOf(listRules))).code === "ok");
});
afterAll(async () => {
  await mesh.close();
  await rm(mediaFolder, { recursive: true });
});

const by = { reason: "mine" };
const home = { recipient: "Ada", lines: ["1 Main St"], city: "Paris", countryCode: "FR" };
const template = { fact: "ready", language: "en", channel: "email" };
const words = { subject: "theirs", text: "theirs" };
const theirRate = { currencyCode: "EUR", method: "STANDARD", baseMinorUnits: 1n, unitMinorUnits: 0n, maxMinorUnits: 1n };
const theirTax = { countryCode: "DE", taxClass: "STANDARD", rate: 1, name: "theirs" };
const refund = { currencyCode: "EUR", minorUnits: 1n };
/** A name that never means anything (RFC 2606, section 2). */
const hookUrl = "https://hooks.invalid/";
type Expected = "NOT_FOUND" | "INSTALLATION_ONLY" | "PAGE_TOKEN_INVALID" | "its own" | "nothing";

/** By method: what is asked, and what becomes of it. "its own" is done in the other shop, "nothing" answers an empty list. */
const cases: Record<string, { request?: () => Record<string, unknown>; expected: Expected }> = {
  "CatalogService/CreateProduct": { request: () => ({ title: "Mug", variants: [variantOf("OTHERS")] }), expected: "its own" },
  "TaxRatesService/ListTaxRates": { expected: "nothing" },
  "TaxRatesService/PutTaxRate": { request: () => ({ rate: theirTax }), expected: "its own" },
  "TaxRatesService/DeleteTaxRate": {
    request: () => ({ countryCode: "DE", taxClass: "REDUCED" }),
    expected: "NOT_FOUND",
  },
  "CustomersService/GetCustomer": { request: () => ({ customerId: "ada" }), expected: "NOT_FOUND" },
  "CustomersService/ListCustomers": { expected: "nothing" },
  "CustomersService/UpdateCustomer": {
    request: () => ({ customerId: "ada", profile: { givenName: "x" } }),
    expected: "NOT_FOUND",
  },
  "CustomersService/CreateAddress": { request: () => ({ customerId: "ada", address: home }), expected: "its own" },
  "CustomersService/ListAddresses": { request: () => ({ customerId: "ada" }), expected: "its own" },
  "CustomersService/UpdateAddress": {
    request: () => ({ customerId: "ada", addressId, address: { label: "x" } }),
    expected: "NOT_FOUND",
  },
  "CustomersService/DeleteAddress": { request: () => ({ customerId: "ada", addressId }), expected: "NOT_FOUND" },
  "CustomersService/RecordConsent": { request: () => ({ customerId: "ada", purpose: "analytics" }), expected: "its own" },
  "CustomersService/ListConsents": { request: () => ({ customerId: "ada" }), expected: "its own" },
  "CustomersService/ListConsentHistory": { request: () => ({ customerId: "ada" }), expected: "its own" },
  "CustomersService/ExportCustomer": { request: () => ({ customerId: "bob" }), expected: "its own" },
  "CustomersService/EraseCustomer": { request: () => ({ customerId: "ada", reason: 3 }), expected: "its own" },
  "CustomersService/GetErasure": { request: () => ({ customerId: "bob" }), expected: "NOT_FOUND" },
  // Without bytes it is no image, whoever sends it.
  "MediaService/UploadUserImage": { request: () => ({ userId: "ada" }), expected: "its own" },
  "MediaService/GetUserImage": { request: () => ({ userId: "ada" }), expected: "NOT_FOUND" },
  "MediaService/GetUserThumbnail": { request: () => ({ userId: "ada" }), expected: "NOT_FOUND" },
  "ProductImagesService/UploadProductImage": { request: () => ({ productId: "prod_1" }), expected: "its own" },
  "FraudService/GetAssessment": { request: () => ({ orderId }), expected: "NOT_FOUND" },
  "FraudService/ListAssessments": { expected: "nothing" },
  "FraudService/DecideAssessment": { request: () => ({ orderId, decision: 3 }), expected: "NOT_FOUND" },
  "FraudService/ListReviews": { expected: "nothing" },
  "FraudService/ClaimReview": { request: () => ({ orderId }), expected: "NOT_FOUND" },
  "FraudService/ReleaseReview": { request: () => ({ orderId }), expected: "NOT_FOUND" },
  "FraudService/AddReviewNote": { request: () => ({ orderId, text: "mine" }), expected: "NOT_FOUND" },
  "FraudService/ListRules": { expected: "its own" },
  "FraudService/CreateRule": { expected: "its own" },
  "FraudService/UpdateRule": { request: () => ({ ruleId, rule: theirs }), expected: "NOT_FOUND" },
  "FraudService/GetRuleSet": { expected: "its own" },
  "FraudService/UpdatePolicy": { request: () => ({ policy: { reviewScoreMin: 1, rejectScoreMin: 1 } }), expected: "its own" },
  "FraudService/DryRunRules": {
    request: () => ({
      startTime: timestampFromDate(new Date()),
      endTime: timestampFromDate(new Date()),
      removeRuleIds: [ruleId],
    }),
    expected: "NOT_FOUND",
  },
  "FraudService/CreateList": { request: () => ({ list: { name: "ours", kind: ListKind.BIN } }), expected: "its own" },
  "FraudService/ListLists": { expected: "nothing" },
  "FraudService/DeleteList": { request: () => ({ listId }), expected: "NOT_FOUND" },
  "FraudService/ListListEntries": { request: () => ({ listId }), expected: "NOT_FOUND" },
  "FraudService/AddListEntries": { request: () => ({ listId, entries: [{ value: "8" }] }), expected: "NOT_FOUND" },
  "FraudService/RemoveListEntries": { request: () => ({ listId, values: ["9"] }), expected: "NOT_FOUND" },
  "FraudService/DeleteRule": { request: () => ({ ruleId }), expected: "NOT_FOUND" },
  "IdentityService/CreateStreamTicket": { request: () => ({ path: "/v1/orders:watch" }), expected: "its own" },
  "AdminService/CreateClient": { request: () => ({ roles: ["operator"], scopes: ["orders:read"] }), expected: "its own" },
  "AdminService/ListClients": { expected: "its own" },
  "AdminService/RotateClientSecret": { request: () => ({ clientId: "erp" }), expected: "NOT_FOUND" },
  "AdminService/DeleteClient": { request: () => ({ clientId: "erp" }), expected: "NOT_FOUND" },
  "AdminService/RotateKeys": { expected: "INSTALLATION_ONLY" },
  "AdminService/RevokeSessions": { request: () => ({ customerId: "ada" }), expected: "its own" },
  "TenantService/CreateTenant": { request: () => ({ tenantId: "third" }), expected: "INSTALLATION_ONLY" },
  "TenantService/CreateTenantOperator": { request: () => ({ tenantId: "demo" }), expected: "INSTALLATION_ONLY" },
  "TenantService/DisableTenant": { request: () => ({ tenantId: "other" }), expected: "INSTALLATION_ONLY" },
  "TenantService/EnableTenant": { request: () => ({ tenantId: "other" }), expected: "INSTALLATION_ONLY" },
  "TenantService/GetTenant": { request: () => ({ tenantId: "demo" }), expected: "INSTALLATION_ONLY" },
  "TenantService/ListTenants": { expected: "INSTALLATION_ONLY" },
  "InventoryService/GetStock": { request: () => ({ sku: "MUG" }), expected: "NOT_FOUND" },
  "InventoryService/ListStockMovements": { request: () => ({ sku: "MUG" }), expected: "NOT_FOUND" },
  "InventoryService/AdjustStock": { request: () => ({ sku: "MUG", quantity: -1n, reason: "mine" }), expected: "NOT_FOUND" },
  "InventoryService/GetReservation": { request: () => ({ orderId }), expected: "NOT_FOUND" },
  "NotificationsService/ListTemplates": { expected: "its own" },
  "NotificationsService/GetTemplate": { request: () => template, expected: "its own" },
  "NotificationsService/PutTemplate": { request: () => ({ ...template, content: words }), expected: "its own" },
  "NotificationsService/DeleteTemplate": { request: () => ({ ...template, language: "fr" }), expected: "NOT_FOUND" },
  "NotificationsService/PreviewTemplate": { request: () => template, expected: "its own" },
  "NotificationsService/GetPreferences": { request: () => ({ customerId: "ada" }), expected: "its own" },
  "NotificationsService/UpdatePreferences": {
    request: () => ({ customerId: "bob", preferences: [{ fact: "ready", channel: "sms", enabled: true }] }),
    expected: "its own",
  },
  "NotificationsService/ListOrderNotifications": { request: () => ({ orderId }), expected: "nothing" },
  "NotificationsService/ListNotifications": { expected: "nothing" },
  "WebhooksService/ListWebhookEventTypes": { expected: "its own" },
  "WebhooksService/CreateWebhookEndpoint": { request: () => ({ endpoint: { url: hookUrl } }), expected: "its own" },
  "WebhooksService/ListWebhookEndpoints": { expected: "nothing" },
  ...Object.fromEntries(
    [
      "GetWebhookEndpoint",
      "UpdateWebhookEndpoint",
      "DeleteWebhookEndpoint",
      "EnableWebhookEndpoint",
      "DisableWebhookEndpoint",
      "RotateWebhookSecret",
      "PingWebhookEndpoint",
      "ListWebhookDeliveries",
      "ReplayWebhookDelivery",
      "ReplayWebhookDeliveries",
    ].map((name) => [
      `WebhooksService/${name}`,
      { request: () => ({ endpointId, deliveryId, sinceTime: timestampFromDate(new Date(0)) }), expected: "NOT_FOUND" as const },
    ]),
  ),
  "OperationsService/ListDeadLetters": { expected: "INSTALLATION_ONLY" },
  "OperationsService/GetDeadLetter": { request: () => ({ letterId: "ltr_1" }), expected: "INSTALLATION_ONLY" },
  "OperationsService/ListDeadLetterActions": { request: () => ({ letterId: "ltr_1" }), expected: "INSTALLATION_ONLY" },
  "OperationsService/GetDeadLetterStats": { expected: "INSTALLATION_ONLY" },
  "OperationsService/RedriveDeadLetter": { request: () => ({ letterId: "ltr_1", ...by }), expected: "INSTALLATION_ONLY" },
  "OperationsService/RedriveDeadLetters": { request: () => ({ filter: {}, ...by }), expected: "INSTALLATION_ONLY" },
  "OperationsService/GetRedrive": { request: () => ({ redriveId: "rdr_1" }), expected: "INSTALLATION_ONLY" },
  "OperationsService/DiscardDeadLetter": { request: () => ({ letterId: "ltr_1", ...by }), expected: "INSTALLATION_ONLY" },
  "OperationsService/ListStreamKeys": { request: () => ({ topic: "OrderCreated" }), expected: "INSTALLATION_ONLY" },
  "OperationsService/RepublishEvents": {
    request: () => ({ service: "orders", sinceTime: timestampFromDate(new Date()), ...by }),
    expected: "INSTALLATION_ONLY",
  },
  "OperationsService/ListJobs": { request: () => ({ service: "inventory" }), expected: "INSTALLATION_ONLY" },
  "OperationsService/PauseJob": { request: () => theJob, expected: "INSTALLATION_ONLY" },
  "OperationsService/ResumeJob": { request: () => theJob, expected: "INSTALLATION_ONLY" },
  "OperationsService/RunJob": { request: () => theJob, expected: "INSTALLATION_ONLY" },
  "InventoryService/ListInventoryReports": { expected: "its own" },
  "OperationsService/GetAuditReport": { expected: "its own" },
  "OperationsService/ExplainOrder": { request: () => ({ orderId }), expected: "NOT_FOUND" },
  "OperationsService/RunAudit": { expected: "INSTALLATION_ONLY" },
  "OperationsService/ListAuditLog": { expected: "its own" },
  "OrdersService/PlaceOrder": {
    request: () => ({ customerId: "ada", currency: "EUR", paymentToken: "tok_success", items: [{ sku: "MUG", quantity: 1n }] }),
    expected: "NOT_FOUND",
  },
  "OrdersService/GetOrder": { request: () => ({ orderId }), expected: "NOT_FOUND" },
  "OrdersService/ListOrders": { request: () => ({ pageToken }), expected: "PAGE_TOKEN_INVALID" },
  "OrdersService/CancelOrder": { request: () => ({ orderId }), expected: "NOT_FOUND" },
  "OrderChangesService/PreviewOrderChange": { request: () => ({ orderId, wish: {} }), expected: "NOT_FOUND" },
  "OrderChangesService/ConfirmOrderChange": {
    request: () => ({ orderId, wish: {}, token: "1.2.3", requestId: "change-1" }),
    expected: "NOT_FOUND",
  },
  "OrderChangesService/ListOrderChanges": { request: () => ({ orderId }), expected: "NOT_FOUND" },
  "ReturnsService/RequestReturn": {
    request: () => ({ orderId, lines: [{ sku: "MUG", quantity: 1n }], requestId: "return-1" }),
    expected: "NOT_FOUND",
  },
  "ReturnsService/ListOrderReturns": { request: () => ({ orderId }), expected: "NOT_FOUND" },
  "ReturnsService/ListReturns": { expected: "nothing" },
  "ReturnsService/ApproveReturn": { request: () => ({ orderId, returnId: "rtn_1" }), expected: "NOT_FOUND" },
  "ReturnsService/RejectReturn": { request: () => ({ orderId, returnId: "rtn_1", words: "mine" }), expected: "NOT_FOUND" },
  "ReturnsService/ReceiveReturn": { request: () => ({ orderId, returnId: "rtn_1" }), expected: "NOT_FOUND" },
  "OrdersService/WatchOrder": { request: () => ({ orderId }), expected: "NOT_FOUND" },
  "OrdersService/WatchOrders": { expected: "its own" },
  "PaymentsService/GetPayment": { request: () => ({ orderId }), expected: "NOT_FOUND" },
  "PaymentsService/ResumePayment": { request: () => ({ orderId }), expected: "NOT_FOUND" },
  "PaymentsSandboxService/AnswerChallenge": { request: () => ({ clientSecret: "guessed" }), expected: "NOT_FOUND" },
  "PaymentsService/RefundPayment": {
    request: () => ({ orderId, amount: refund, reason: "mine", requestId: "refund-1" }),
    expected: "NOT_FOUND",
  },
  "ShippingService/GetShipment": { request: () => ({ orderId }), expected: "NOT_FOUND" },
  "PicksService/ListPicks": { expected: "nothing" },
  "PicksService/ClaimPicks": { request: () => ({ worker: "mallory" }), expected: "its own" },
  "PicksService/PackPick": { request: () => ({ orderId, worker: "mallory" }), expected: "NOT_FOUND" },
  "RatesService/ListZones": { expected: "nothing" },
  "RatesService/PutZone": { request: () => ({ zone: "nordics", countryCodes: ["SE"] }), expected: "its own" },
  "RatesService/DeleteZone": { request: () => ({ zone: "benelux" }), expected: "NOT_FOUND" },
  "RatesService/ListRates": { expected: "its own" },
  "RatesService/PutRate": { request: () => ({ rate: { ...theirRate, zone: "benelux" } }), expected: "NOT_FOUND" },
  "RatesService/DeleteRate": {
    request: () => ({ zone: "benelux", currencyCode: "EUR", method: "STANDARD" }),
    expected: "NOT_FOUND",
  },
  "ParcelsService/ListShipments": { request: () => ({ orderId }), expected: "NOT_FOUND" },
  "ParcelsService/SplitShipment": {
    request: () => ({ shipmentId, lines: [{ sku: "MUG", quantity: 1n }], requestId: "split-1" }),
    expected: "NOT_FOUND",
  },
  "BookingsService/ListUnbookedShipments": { expected: "nothing" },
  "BookingsService/BookShipment": { request: () => ({ shipmentId, carrier: "external" }), expected: "NOT_FOUND" },
  "ShippingService/GetShipmentLabel": { request: () => ({ orderId }), expected: "NOT_FOUND" },
  "ShippingService/GetTracking": { request: () => ({ orderId }), expected: "NOT_FOUND" },
  // A parcel of this order is never to be made in the other shop: so it is said before any is.
  "ShippingService/StopShipment": { request: () => ({ orderId, reason: "mine" }), expected: "its own" },
};

const theirs = { description: "theirs", weight: 5, condition: { case: "bin" as const, value: { prefix: "8" } } };
const theJob = { service: "inventory", name: "inventory.report" };
const variantOf = (sku: string) => ({ variant: { sku, prices: [refund] }, initialStock: 1n });
const forOperators = rpcs.filter(({ access }) => access.roles.has("operator"));

test("every RPC that operators may call is tried here", () => {
  expect(forOperators.map(({ name }) => name).toSorted()).toEqual(Object.keys(cases).toSorted());
});

test.each(forOperators)("$name is of no use to another shop", async (rpc) => {
  const { request, expected } = cases[rpc.name] ?? { expected: "NOT_FOUND" };
  const { code, reason } = await callRpc(transport, rpc, await tokenOf(rpc), request?.());
  if (expected === "NOT_FOUND") expect([code, reason]).toEqual(["NotFound", expect.stringMatching(/_NOT_FOUND$/)]);
  else if (expected === "INSTALLATION_ONLY") expect([code, reason]).toEqual(["PermissionDenied", expected]);
  else if (expected === "PAGE_TOKEN_INVALID") expect(reason).toBe(expected);
  else expect(["ok", "InvalidArgument"]).toContain(code);
});

test("and afterwards all is here as it was", async () => {
  expect((await mesh.orders.getOrder({ orderId })).order?.state).toBe(OrderState.PENDING_SHIPMENT);
  const { payment } = await mesh.client(PaymentsService).getPayment({ orderId });
  expect(payment?.refunded?.minorUnits ?? 0n).toBe(0n);
  const { stock } = await mesh.client(InventoryService).getStock({ sku: "MUG" });
  expect(stock?.onHand).toBe(100n);
  expect((await mesh.client(FraudService).listRules({})).rules.map((rule) => rule.ruleId)).toContain(ruleId);
  const { ruleSet } = await mesh.client(FraudService).getRuleSet({});
  expect(ruleSet?.policy).toMatchObject({ reviewScoreMin: 50, rejectScoreMin: 100 });
  const { entries } = await mesh.client(FraudService).listListEntries({ listId });
  expect(entries.map(({ value }) => value)).toEqual(["9"]);
  const { addresses } = await mesh.client(CustomersService).listAddresses({ customerId: "ada" });
  expect(addresses).toMatchObject([{ addressId, label: "", address: home }]);
  const { endpoints } = await mesh.client(WebhooksService).listWebhookEndpoints({});
  expect(endpoints).toMatchObject([{ endpointId, url: hookUrl, state: 1 }]);
  const notifications = mesh.client(NotificationsService);
  expect((await notifications.getTemplate(template)).template?.isReplaced).toBe(false);
  const { preferences } = await notifications.getPreferences({ customerId: "bob" });
  expect(preferences.filter(({ enabled, channel }) => enabled !== (channel === "email"))).toEqual([]);
  expect((await mesh.client(RatesService).listZones({})).zones).toMatchObject([{ zone: "benelux", countryCodes: ["NL"] }]);
  const { rates } = await mesh.client(RatesService).listRates({});
  expect(rates.filter(({ zone }) => zone === "benelux")).toMatchObject([{ baseMinorUnits: 700n }]);
  const { rates: taxRates } = await mesh.client(TaxRatesService).listTaxRates({});
  expect(taxRates).toMatchObject([{ taxClass: "REDUCED", name: "ours" }]);
  const { clients } = await mesh.client(AdminService).listClients({});
  expect(clients.map(({ clientId }) => clientId)).toContain("erp");
  const kept = await mesh.fetch("/v1/users/ada/image");
  expect([kept.status, kept.headers.get("content-type")]).toEqual([200, "image/jpeg"]);
  const other = createClient(FraudService, transport);
  const list = rpcs.find(({ name }) => name === "FraudService/ListAssessments") as Rpc;
  const headers = { authorization: `Bearer ${await tokenOf(list)}` };
  expect((await other.listAssessments({}, { headers })).assessments).toEqual([]);
});
