// A contract whose HTTP rules cannot be served does not start, and the error names the method and the reason.
import type { FileRegistry } from "@bufbuild/protobuf";
import { createRouterTransport } from "@connectrpc/connect";
import { beforeAll, expect, test } from "vitest";
import { StartupError } from "#runtime/backing/startup-error.ts";
import { CatalogService } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { FraudService } from "#gen/ordermesh/fraud/v1/fraud_service_pb.ts";
import { InventoryService } from "#gen/ordermesh/inventory/v1/inventory_service_pb.ts";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { PaymentsService } from "#gen/ordermesh/payments/v1/payments_service_pb.ts";
import { ShippingService } from "#gen/ordermesh/shipping/v1/shipping_service_pb.ts";
import { createLogger } from "#runtime/log.ts";
import { startEdge } from "../main.ts";
import { compileContracts, serviceOf } from "./fixture/contracts.ts";
import { startTestEdge } from "./fixture/edge.ts";
import { parseTemplate, TemplateError } from "./template.ts";

let contracts: FileRegistry;
beforeAll(async () => {
  contracts = await compileContracts();
});

const log = createLogger({ level: "silent" });

test.each([
  ["UnknownPathField.Call", 'path variable "missing" is not a field of edge.broken.v1.Thing'],
  ["RepeatedPathField.Call", 'path variable "tags" must be a scalar that is not repeated'],
  ["MessagePathField.Call", 'path variable "child" must be a scalar that is not repeated'],
  ["MapPathField.Call", 'path variable "labels.name" is not a field of edge.broken.v1.Thing'],
  ["UnknownBody.Call", 'body "missing" is not a field of edge.broken.v1.Thing'],
  ["RepeatedBody.Call", 'body "tags" must not be repeated'],
  ["BodyInPath.Call", 'body "name" is also in the path'],
  ["BodyOnGet.Call", "GET must not have a body"],
  ["BodyOnDelete.Call", "DELETE must not have a body"],
  ["UnknownResponseBody.Call", 'response_body "missing" is not a field of edge.broken.v1.Thing'],
  ["NestedBindings.Call", "additional_bindings must not have additional_bindings"],
  ["NoPath.Call", "the rule has no path"],
  ["BadTemplate.Call", 'path "/a/{name=**}/b": "**" must be the last segment'],
  ["BadStatus.Call", "success_status 302 is not from 200 to 299"],
  ["IdenticalRoutes.Second", "GET /a/* is already a route of edge.broken.v1.IdenticalRoutes.First"],
  ["StreamBothWays.Call", "a stream both ways cannot be called over REST"],
  ["DownloadOfJson.Call", "download is for server streams of google.api.HttpBody only"],
  ["DownloadOfJson.Call", 'download.offset_field "name" is not an int64 of edge.broken.v1.Thing'],
  ["DownloadOfJson.Call", 'download.etag_field "missing" is not a string of edge.broken.v1.Thing'],
  ["BodilessClientStream.Call", "a client stream must have a body"],
  ["BadKind.Call", '"HEAD" is not an HTTP method that a rule may have'],
  ["ErrorInStream.Call", 'a streamed message must not have a field "error": the last record of a failed stream has it'],
  ["ResumeOnUnary.Call", "resume is for server streams only"],
  ["ResumeUnknownField.Call", 'resume.id_field "missing" is not a scalar field of edge.broken.v1.Thing'],
  ["ResumeInPath.Call", 'resume.request_field "sequence" is set by the path'],
  ["HttpBodyInRequest.Call", "google.api.HttpBody must be the whole message, the body or the response_body"],
  ["HttpBodyInResponse.Call", "google.api.HttpBody must be the whole message, the body or the response_body"],
  ["HttpBodyInQuery.Call", "google.api.HttpBody must be the whole message, the body or the response_body"],
  ["HeaderOfOthers.Call", 'request_headers must not have "authorization"'],
])("%s: %s", async (method, problem) => {
  const service = serviceOf(contracts, `edge.broken.v1.${method.split(".")[0]}`);
  const starting = startEdge({
    services: [service],
    transportFor: () => createRouterTransport(() => {}),
    port: 0,
    host: "127.0.0.1",
    log,
  });
  await expect(starting).rejects.toThrow(StartupError);
  await expect(starting).rejects.toThrow(`\nedge.broken.v1.${method}: ${problem}`);
});

test("all problems are told at once", async () => {
  const services = ["UnknownBody", "BadStatus"].map((name) => serviceOf(contracts, `edge.broken.v1.${name}`));
  const starting = startEdge({ services, transportFor: () => createRouterTransport(() => {}), port: 0, host: "127.0.0.1", log });
  await expect(starting).rejects.toThrow(/UnknownBody\.Call: .*\n.*BadStatus\.Call: /);
});

test("the contracts of ordermesh start", async () => {
  const services = [CatalogService, FraudService, InventoryService, OrdersService, PaymentsService, ShippingService];
  const edge = await startTestEdge(services, () => ({}));
  expect((await fetch(`${edge.url}/v1/orders/ord_1/payment`)).status).toBe(200);
  expect(edge.heard.map(({ method }) => method)).toEqual(["GetPayment"]);
  await edge.close(1_000);
});

test.each([
  ["", "must start"],
  ["a", "must start"],
  ["/a/", "empty segment"],
  ["//a", "empty segment"],
  ["/a/{b", 'without "}"'],
  ["/a/{}", "not a field path"],
  ["/a/{b.}", "not a field path"],
  ["/a/{b=}", "empty segment"],
  ["/a/{b={c}}", "must not contain a variable"],
  ["/a/{b=c/{d}}", "must not contain a variable"],
  ["/a/{b=*:c}", 'does not end with "}"'],
  ["/a/{b}/{b}", "appears twice"],
  ["/**/a", "must be the last"],
  ["/{a=**/b}", "must be the last"],
  ["/{a=**}/{b=**}", "must be the last"],
  ["/a:", "empty segment"],
  ["/a:b:c", "not expected"],
  ["/a:b/c", "not expected"],
  ["/a*", "not expected"],
  ["/{a}b", "not expected"],
  ["/***", "not expected"],
  ["/a?b", "cannot have"],
  ["/a b", "cannot have"],
  ["/a%2", "cannot have"],
  [`/${"a".repeat(2_000)}`, "longer than"],
])("template %s is refused", (text, why) => {
  expect(() => parseTemplate(text)).toThrow(TemplateError);
  expect(() => parseTemplate(text)).toThrow(why);
});
