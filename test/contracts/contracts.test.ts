// What every contract must declare, read from the descriptors as the runtime reads them.
import { getOption, hasOption, ScalarType, type DescMethod } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { http } from "#gen/google/api/annotations_pb.ts";
import type { HttpRule } from "#gen/google/api/http_pb.ts";
import { event as eventOption, method as methodOption } from "#gen/ordermesh/options/v1/options_pb.ts";
import { eventMessages, loadContracts } from "../../tools/contracts.ts";

const files = await loadContracts();
const methods = files.flatMap((file) => file.services).flatMap((service) => service.methods);
const { events, parts } = eventMessages(files);

const nameOf = (method: DescMethod): string => `${method.parent.name}.${method.name}`;

/** Such as "POST /checkout", also of additional bindings. */
function routesOf(rule: HttpRule): string[] {
  const { pattern } = rule;
  const main = pattern.case && pattern.case !== "custom" ? [`${pattern.case.toUpperCase()} ${pattern.value}`] : [];
  return [...main, ...rule.additionalBindings.flatMap(routesOf)];
}

const routes = methods.flatMap((method) => routesOf(getOption(method, http)).map((route) => ({ route, method: nameOf(method) })));

test("there are contracts to look at", () => {
  expect(methods.length).toBeGreaterThan(10);
  expect(events.length).toBeGreaterThan(20);
});

describe.each(methods.map((method) => [nameOf(method), method] as const))("%s", (_name, method) => {
  test("says who may call it: anyone, or which roles", () => {
    expect(hasOption(method, methodOption)).toBe(true);
    const { access } = getOption(method, methodOption);
    expect(access).toBeDefined();
    expect(access?.public).toBe(access?.roles.length === 0);
    expect(["customer", "operator", "service"]).toEqual(expect.arrayContaining(access?.roles ?? []));
    expect(access?.public && access.scopes.length > 0).toBe(false);
  });

  test("names only fields that its messages have", () => {
    const { access, resume, successStatus } = getOption(method, methodOption);
    const inputs = ["", ...method.input.fields.map((field) => field.name)];
    expect(inputs).toContain(access?.ownerField ?? "");
    expect(inputs).toContain(resume?.requestField ?? "");
    expect(["", ...method.output.fields.map((field) => field.name)]).toContain(resume?.idField ?? "");
    expect(resume === undefined || method.methodKind === "server_streaming").toBe(true);
    expect(successStatus === 0 || (successStatus >= 200 && successStatus <= 299)).toBe(true);
  });

  test("has a REST route of its own under /v1/ or at a well-known place, where anybody but services may call it", () => {
    const { access } = getOption(method, methodOption);
    // A ticket is shown by REST as a parameter of the stream that it opens, and the edge takes it.
    const isForEdge = method.name === "RedeemStreamTicket";
    const isForServices = isForEdge || access?.roles.join() === "service";
    expect(hasOption(method, http)).toBe(!isForServices);
    if (isForServices) return;
    expect(routesOf(getOption(method, http))[0]).toMatch(/^(GET|POST|PUT|PATCH|DELETE) \/(v1|\.well-known)\//);
  });
});

test("every request and response belongs to one RPC", () => {
  const messages = methods.flatMap((method) => [method.input.typeName, method.output.typeName]);
  expect(messages.filter((name, index) => messages.indexOf(name) !== index)).toEqual([]);
});

test("no two methods share a route", () => {
  const shapes = routes.map(({ route }) => route.replaceAll(/\{[^}]*\}/g, "{}"));
  expect(shapes.filter((shape, index) => shapes.indexOf(shape) !== index)).toEqual([]);
});

test.each([
  { route: "POST /checkout", method: "OrdersService.PlaceOrder" },
  { route: "POST /create-order", method: "OrdersService.PlaceOrder" },
  { route: "POST /api/tasks/order/{customer_id}", method: "OrdersService.PlaceOrder" },
  { route: "GET /orders/{customer_id}", method: "OrdersService.ListOrders" },
  { route: "GET /orders/{customer_id}/{order_id}", method: "OrdersService.GetOrder" },
  { route: "GET /order-details", method: "OrdersService.GetOrder" },
  { route: "POST /check-availability", method: "InventoryService.CheckAvailability" },
  { route: "POST /auth/token", method: "IdentityService.SignIn" },
])("$route is another way to $method", (alias) => {
  expect(routes).toContainEqual(alias);
});

test.each(events.map((event) => [event.typeName, event] as const))("%s says how it travels", (_name, event) => {
  expect(hasOption(event, eventOption)).toBe(true);
  const { keyField, stream } = getOption(event, eventOption);
  expect(stream).toBe("EVENTS");
  const key = event.fields.find((field) => field.name === keyField);
  expect(key, `${event.typeName} has no field "${keyField}"`).toBeDefined();
  expect({ kind: key?.fieldKind, scalar: key?.scalar }).toEqual({ kind: "scalar", scalar: ScalarType.STRING });
});

test.each(parts.map((part) => [part.typeName, part] as const))("%s is part of an event, not one", (_name, part) => {
  expect(hasOption(part, eventOption)).toBe(false);
});
