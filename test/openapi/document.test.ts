// The document of OpenAPI that is generated from the contracts: valid by its own rules, complete, and as the edge serves.
import { readFile } from "node:fs/promises";
import { createConfig, lint } from "@redocly/openapi-core";
import type { JsonObject } from "@bufbuild/protobuf";
import { beforeAll, describe, expect, test } from "vitest";
import { restRoutes } from "../access/surface.ts";

const path = new URL("../../gen/openapi/openapi.json", import.meta.url);

interface Operation {
  operationId: string;
  parameters: { name: string; in: string; required?: boolean; schema: JsonObject; description?: string }[];
  requestBody?: { required?: boolean; content: Record<string, { schema: JsonObject }> };
  responses: Record<string, { content?: Record<string, { schema: JsonObject }> }>;
  security?: JsonObject[];
}
interface Document {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, JsonObject & { properties: Record<string, JsonObject>; required?: string[] }> };
}

let document: Document;
beforeAll(async () => {
  document = JSON.parse(await readFile(path, "utf8")) as Document;
});

test("has no error by the rules that redocly recommends", async () => {
  const config = await createConfig({ extends: ["recommended"] });
  const problems = await lint({ ref: path.pathname, config });
  const errors = problems.filter(({ severity }) => severity === "error");
  expect(errors.map(({ ruleId, message }) => `${ruleId}: ${message}`)).toEqual([]);
});

test("has every route of the contracts", () => {
  const wanted = restRoutes.map(({ httpMethod, template }) => `${httpMethod} ${template.replaceAll(/\{[^}]*\}/g, "{}")}`);
  const given = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((httpMethod) => `${httpMethod.toUpperCase()} ${path.replaceAll(/\{[^}]*\}/g, "{}")}`),
  );
  expect(given.toSorted()).toEqual(wanted.toSorted());
  expect(given.length).toBeGreaterThan(100);
});

describe("an operation", () => {
  const operation = (path: string, method: string): Operation => {
    const found = document.paths[path]?.[method];
    if (!found) throw new Error(`the document has no ${method} ${path}`);
    return found;
  };

  test("says what its body must have, and that a repeat is safe", () => {
    const { requestBody, parameters, responses, security } = operation("/v1/orders", "post");
    const schema = requestBody?.content["application/json"]?.schema;
    expect(schema).toMatchObject({
      required: ["items", "currency", "paymentToken"],
      properties: {
        items: { type: "array", minItems: 1, maxItems: 500 },
        currency: { enum: ["USD", "EUR", "GBP", "JPY"] },
        note: { maxLength: 1000 },
      },
    });
    expect(parameters.map(({ name }) => name)).toEqual(["Idempotency-Key"]);
    expect(Object.keys(responses)).toEqual(["202", "4XX", "5XX"]);
    expect(security).toEqual([{ oauth2: ["orders:write"] }, { bearer: [] }]);
  });

  test("leaves out of its body what the path says", () => {
    const alias = operation("/api/tasks/order/{customerId}", "post");
    expect(alias.parameters.filter(({ in: place }) => place === "path").map(({ name }) => name)).toEqual(["customerId"]);
    expect(alias.requestBody?.content["application/json"]?.schema["properties"]).not.toHaveProperty("customerId");
  });

  test("that reads knows what the caller has", () => {
    const { parameters, responses } = operation("/v1/orders/{orderId}", "get");
    expect(parameters.map(({ name, in: place }) => `${place} ${name}`)).toEqual([
      "path orderId",
      "query customerId",
      "header If-None-Match",
    ]);
    expect(responses).toHaveProperty("304");
    const schema = responses["200"]?.content?.["application/json"]?.schema;
    expect(schema).toEqual({ $ref: "#/components/schemas/ordermesh.orders.v1.Order" });
  });

  test("that is a stream has lines or events", () => {
    const { responses } = operation("/v1/orders/{orderId}:watch", "get");
    expect(Object.keys(responses["200"]?.content ?? {})).toEqual(["application/x-ndjson", "text/event-stream"]);
  });

  test("that anybody may call needs no token", () => {
    expect(operation("/v1/payment-webhooks/{provider}/{tenant}", "post").security).toEqual([]);
  });
});

test("schemas have the comments, bounds and forms of ProtoJSON", () => {
  const { schemas } = document.components;
  expect(schemas["ordermesh.orders.v1.Order"]?.properties).toMatchObject({
    orderId: { type: "string", description: expect.stringMatching(/\w/) as string },
    state: { $ref: "#/components/schemas/ordermesh.orders.v1.OrderState" },
    createTime: { type: "string", format: "date-time" },
    items: { type: "array", items: { $ref: "#/components/schemas/ordermesh.orders.v1.OrderItem" } },
  });
  expect(schemas["ordermesh.type.v1.Money"]?.properties["minorUnits"]).toMatchObject({ type: "string", format: "int64" });
  expect(schemas["ordermesh.orders.v1.OrderState"]).toMatchObject({ type: "string" });
  expect(JSON.stringify(schemas["ordermesh.orders.v1.OrderState"]?.["enum"])).toContain("ORDER_STATE_SCHEDULED");
});
