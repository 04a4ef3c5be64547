// Entity tags and conditions, and PATCH that says by its body what to change.
import { create, type DescMethod, type Message } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { CustomersService, GetCustomerResponseSchema } from "#gen/ordermesh/customers/v1/customers_service_pb.ts";
import { GetOrderResponseSchema, OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { refuse } from "#runtime/errors.ts";
import { detailOf, errorOf, startTestEdge, type TestEdge } from "./fixture/edge.ts";

let edge: TestEdge;
let answer: (method: DescMethod, request: Message) => unknown;

beforeAll(async () => {
  edge = await startTestEdge([OrdersService, CustomersService], (method, request) => answer(method, request));
});
beforeEach(() => {
  edge.heard.length = 0;
  answer = () => ({});
});
afterAll(() => edge.close(1_000));

const orderTagged = (etag: string) => () => create(GetOrderResponseSchema, { order: { orderId: "ord_1", etag } });
const getOrder = (headers: Record<string, string> = {}, method = "GET"): Promise<Response> =>
  fetch(`${edge.url}/v1/orders/ord_1`, { method, headers: { "accept-encoding": "identity", ...headers } });

describe("an answer's etag", () => {
  test("is the header, and the copy is asked for before it is used again", async () => {
    answer = orderTagged('"7"');
    const response = await getOrder();
    expect(response.status).toBe(200);
    expect(response.headers.get("etag")).toBe('"7"');
    expect(response.headers.get("cache-control")).toBe("private, no-cache");
  });

  test.each(["", "7", '"7', '"a"b"', '"a\nb"'])("that is no entity tag is no header: %j", async (etag) => {
    answer = orderTagged(etag);
    const response = await getOrder();
    expect(response.status).toBe(200);
    expect(response.headers.get("etag")).toBeNull();
  });

  test.each([
    ['"7"', 304],
    ['W/"7"', 304],
    ['"6", "7"', 304],
    ['"6",W/"7"', 304],
    ["*", 304],
    ['"6"', 200],
    ["7", 200],
    ['"77"', 200],
  ])("If-None-Match: %s is answered with %i", async (given, status) => {
    answer = orderTagged('"7"');
    for (const method of ["GET", "HEAD"]) {
      const response = await getOrder({ "if-none-match": given }, method);
      expect(response.status).toBe(status);
      expect(response.headers.get("etag")).toBe('"7"');
      if (status === 304) expect(await response.text()).toBe("");
    }
  });

  test("an unset message has none", async () => {
    answer = () => create(GetOrderResponseSchema, {});
    expect((await getOrder({ "if-none-match": "*" })).status).toBe(200);
  });
});

const patch = (body: unknown, headers: Record<string, string> = {}, query = ""): Promise<Response> =>
  fetch(`${edge.url}/v1/customers/ada${query}`, {
    method: "PATCH",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json", ...headers },
  });
const heard = (): unknown => edge.heard[0]?.request;

describe("If-Match", () => {
  test.each([
    ['"5"', '"5"'],
    ['W/"5"', '"5"'],
    [' "5" ', '"5"'],
  ])("%j is the request's etag", async (given, etag) => {
    expect((await patch({ phone: "1" }, { "if-match": given })).status).toBe(200);
    expect(heard()).toMatchObject({ etag });
  });

  test("that takes anything sets none, and one that repeats the parameter is good", async () => {
    expect((await patch({ phone: "1" }, { "if-match": "*" })).status).toBe(200);
    expect(heard()).not.toHaveProperty("etag");
    expect((await patch({ phone: "1" }, { "if-match": '"5"' }, '?etag="5"')).status).toBe(200);
  });

  test.each([
    ["5", ""],
    ['"5", "6"', ""],
    ['"5" x', ""],
    ['"5"', '?etag="6"'],
  ])("%j with %j is refused, and nothing is called", async (given, query) => {
    const response = await patch({ phone: "1" }, { "if-match": given }, query);
    expect(response.status).toBe(400);
    expect(detailOf(await errorOf(response), "ErrorInfo")).toMatchObject({ reason: "INVALID_ARGUMENT" });
    expect(edge.heard).toEqual([]);
  });

  test("that does not hold any more is 412; without it the same refusal is 409", async () => {
    answer = () => {
      throw refuse(Code.Aborted, "ETAG_MISMATCH", "it was changed since");
    };
    const response = await patch({ phone: "1" }, { "if-match": '"4"' });
    expect(response.status).toBe(412);
    expect(detailOf(await errorOf(response), "ErrorInfo")).toMatchObject({ reason: "ETAG_MISMATCH" });
    expect((await patch({ phone: "1" })).status).toBe(409);
  });

  test("is refused where a method cannot compare, because who sends it relies on it", async () => {
    const response = await fetch(`${edge.url}/v1/orders/ord_1:cancel`, { method: "POST", headers: { "if-match": '"1"' } });
    expect(response.status).toBe(400);
    expect(detailOf(await errorOf(response), "ErrorInfo")).toMatchObject({ reason: "CONDITION_NOT_SUPPORTED" });
    expect(edge.heard).toEqual([]);
    answer = orderTagged('"7"');
    expect((await getOrder({ "if-match": '"1"' })).status).toBe(200);
  });
});

describe("PATCH without update_mask", () => {
  beforeEach(() => {
    answer = () => create(GetCustomerResponseSchema, {});
  });

  test.each<[string, unknown, string | undefined]>([
    ["takes the keys of the body, also those that empty a field", { phone: "", email: "a@b.test" }, "phone,email"],
    ["takes a key that says null", { phone: null }, "phone"],
    ["names fields as the contract does", { displayName: "Ada" }, "displayName"],
    ["takes proto names", { display_name: "Ada" }, "displayName"],
    ["of nothing has none", {}, undefined],
  ])("%s", async (_, body, mask) => {
    expect((await patch(body)).status).toBe(200);
    expect((heard() as { updateMask?: string }).updateMask || undefined).toBe(mask);
  });

  test("one that is given counts", async () => {
    expect((await patch({ phone: "1", email: "a@b.test" }, {}, "?updateMask=email")).status).toBe(200);
    expect(heard()).toMatchObject({ updateMask: "email" });
  });
});
