// What comes in as a form arrives as a call, and what is refused is refused in OAuth's words.
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { RetryInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import {
  IdentityService,
  IntrospectTokenResponseSchema,
  IssueTokenResponseSchema,
} from "#gen/ordermesh/identity/v1/identity_service_pb.ts";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { refuse } from "#runtime/errors.ts";
import { rawRequest, sendRaw, startTestEdge, type TestEdge } from "../transcode/fixture/edge.ts";

let edge: TestEdge;
let fail: (() => ConnectError) | undefined;
beforeAll(async () => {
  edge = await startTestEdge([IdentityService, OrdersService], (method) => {
    if (fail) throw fail();
    if (method.name === "IssueToken") {
      return create(IssueTokenResponseSchema, { accessToken: "a.b.c", tokenType: "Bearer", expiresIn: 600, scope: "x" });
    }
    return method.name === "IntrospectToken" ? create(IntrospectTokenResponseSchema, { active: false }) : {};
  });
});
afterAll(() => edge.close(1_000));
beforeEach(() => void (edge.heard.length = 0));
afterEach(() => void (fail = undefined));

const formType = "application/x-www-form-urlencoded";
const basicOf = (text: string): string => `Basic ${Buffer.from(text).toString("base64")}`;

function post(body: string, { path = "/oauth/token", headers = {} }: { path?: string; headers?: Record<string, string> } = {}) {
  return fetch(`${edge.url}${path}`, { method: "POST", body, headers: { "content-type": formType, ...headers } });
}

async function outcome(response: Response): Promise<{ status: number; error: unknown }> {
  const body = (await response.json()) as { error?: unknown };
  return { status: response.status, error: body.error };
}

const grant = "grant_type=client_credentials";

describe("requests", () => {
  test("client_secret_post: parameters become fields, and the answer has the names of RFC 6749", async () => {
    const body = `${grant}&client_id=a&client_secret=s%2Bt+u&scope=x+y&refresh_token=&unknown=1`;
    const response = await post(body, { headers: { "x-request-id": "r-1" } });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ access_token: "a.b.c", token_type: "Bearer", expires_in: 600, scope: "x" });
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(response.headers.get("pragma")).toBe("no-cache");
    expect(response.headers.get("x-request-id")).toBe("r-1");
    const request = { grantType: "client_credentials", clientId: "a", clientSecret: "s+t u", scope: "x y" };
    expect(edge.heard).toMatchObject([{ method: "IssueToken", request }]);
  });

  test("client_secret_basic: both halves are form-encoded, and the header goes no further", async () => {
    await post(grant, { headers: { authorization: basicOf("a%3Ab:s%25+t%C3%BC:u") } });
    const request = { grantType: "client_credentials", clientId: "a:b", clientSecret: "s% tü:u" };
    expect(edge.heard).toMatchObject([{ method: "IssueToken", request }]);
    expect(edge.heard[0]?.headers.get("authorization")).toBeNull();
  });

  test("the same client id in the body beside Basic is fine", async () => {
    expect((await post(`${grant}&client_id=a`, { headers: { authorization: basicOf("a:s") } })).status).toBe(200);
  });

  test("revocation and introspection", async () => {
    const revoked = await post("token=t&token_type_hint=access_token&client_id=a", { path: "/oauth/revoke" });
    expect([revoked.status, await revoked.json()]).toEqual([200, {}]);
    const seen = await post("token=t", { path: "/oauth/introspect", headers: { authorization: basicOf("a:s") } });
    expect([seen.status, await seen.json()]).toEqual([200, { active: false }]);
    expect(edge.heard).toMatchObject([
      { method: "RevokeToken", request: { token: "t", tokenTypeHint: "access_token", clientId: "a" } },
      { method: "IntrospectToken", request: { token: "t", clientId: "a", clientSecret: "s" } },
    ]);
  });
});

describe("what is refused before anybody is asked", () => {
  test.each([
    { why: "a parameter that is sent twice", body: `${grant}&${grant}` },
    { why: "a parameter that is sent twice, once without a value", body: `${grant}&grant_type=` },
    { why: "two ways to say who one is", body: `${grant}&client_secret=s`, headers: { authorization: basicOf("a:s") } },
    { why: "two clients", body: `${grant}&client_id=b`, headers: { authorization: basicOf("a:s") } },
    { why: "JSON", body: "{}", headers: { "content-type": "application/json" } },
    { why: "another charset", body: grant, headers: { "content-type": `${formType}; charset=latin1` } },
    { why: "a compressed body", body: grant, headers: { "content-encoding": "gzip" } },
  ])("$why: invalid_request", async ({ body, headers }) => {
    expect(await outcome(await post(body, { headers: headers ?? {} }))).toEqual({ status: 400, error: "invalid_request" });
    expect(edge.heard).toEqual([]);
  });

  test.each([
    { why: "a scheme that is not Basic", authorization: "Bearer abc", status: 400 },
    { why: "no base64", authorization: "Basic a:s", status: 401 },
    { why: "no colon", authorization: basicOf("a"), status: 401 },
    { why: "no client id", authorization: basicOf(":s"), status: 401 },
    { why: "an escape that is none", authorization: basicOf("a:%zz"), status: 401 },
  ])("$why: invalid_client", async ({ authorization, status }) => {
    const response = await post(grant, { headers: { authorization } });
    expect(response.headers.get("www-authenticate") !== null).toBe(status === 401);
    expect(await outcome(response)).toEqual({ status, error: "invalid_client" });
    expect(edge.heard).toEqual([]);
  });

  test.each(["GET", "PUT", "DELETE", "OPTIONS"])("%s: 405 with what the path takes", async (method) => {
    const response = await fetch(`${edge.url}/oauth/token`, { method });
    expect(response.headers.get("allow")).toBe("POST");
    expect(await outcome(response)).toEqual({ status: 405, error: "invalid_request" });
    expect(edge.heard).toEqual([]);
  });

  test("a body that is too large: 413, also where its length is not told", async () => {
    const large = `${grant}&scope=${"x".repeat(20_000)}`;
    expect(await outcome(await post(large))).toEqual({ status: 413, error: "invalid_request" });
    const chunk = `${large.length.toString(16)}\r\n${large}\r\n0\r\n\r\n`;
    const chunked = { "content-type": formType, "transfer-encoding": "chunked" };
    expect((await sendRaw(edge.port, rawRequest("POST", "/oauth/token", chunked, chunk))).status).toBe(413);
    expect(edge.heard).toEqual([]);
  });
});

describe("errors of identity, in the words of RFC 6749, section 5.2", () => {
  test.each([
    { code: Code.InvalidArgument, reason: "INVALID_REQUEST", error: "invalid_request" },
    { code: Code.InvalidArgument, reason: "INVALID_ARGUMENT", error: "invalid_request" },
    { code: Code.Unauthenticated, reason: "INVALID_CLIENT", error: "invalid_client" },
    { code: Code.Unauthenticated, reason: "INVALID_GRANT", error: "invalid_grant" },
    { code: Code.PermissionDenied, reason: "UNAUTHORIZED_CLIENT", error: "unauthorized_client" },
    { code: Code.InvalidArgument, reason: "UNSUPPORTED_GRANT_TYPE", error: "unsupported_grant_type" },
    { code: Code.InvalidArgument, reason: "INVALID_SCOPE", error: "invalid_scope" },
  ])("$reason is $error with 400", async ({ code, reason, error }) => {
    fail = () => refuse(code, reason, "no");
    const response = await post(`${grant}&client_id=a&client_secret=s`);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(response.headers.get("www-authenticate")).toBeNull();
    expect(await response.json()).toEqual({ error, error_description: "no" });
    expect(response.status).toBe(400);
  });

  test("invalid_client is 401 with a challenge for whoever used Basic", async () => {
    fail = () => refuse(Code.Unauthenticated, "INVALID_CLIENT", "no");
    const response = await post(grant, { headers: { authorization: basicOf("a:s") } });
    expect(response.headers.get("www-authenticate")).toBe('Basic realm="ordermesh", charset="UTF-8"');
    expect(await outcome(response)).toEqual({ status: 401, error: "invalid_client" });
  });

  test("a description has only the characters that it may have", async () => {
    fail = () => refuse(Code.InvalidArgument, "INVALID_ARGUMENT", 'a "quoted" \\ wörd\n');
    const body = (await (await post(grant)).json()) as { error_description: string };
    expect(body.error_description).toMatch(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/);
  });

  test("who is busy says when to come again", async () => {
    const retry = { desc: RetryInfoSchema, value: { retryDelay: { seconds: 2n, nanos: 1 } } };
    fail = () => refuse(Code.ResourceExhausted, "SIGN_INS_BUSY", "busy", {}, [retry]);
    const busy = await post(grant);
    expect(busy.headers.get("retry-after")).toBe("3");
    expect(await outcome(busy)).toEqual({ status: 429, error: "temporarily_unavailable" });
    fail = () => new ConnectError("connect ECONNREFUSED 10.0.0.7:9090", Code.Unavailable);
    const away = await post(grant);
    const text = await away.text();
    expect([away.status, away.headers.get("retry-after")]).toEqual([503, "1"]);
    expect(text).not.toContain("10.0.0.7");
  });

  test("a mistake of ours says nothing of itself, and is in the log", async () => {
    fail = () => new ConnectError("table secret_stuff is gone", Code.Internal);
    const response = await post(`${grant}&client_secret=hunter2`, { headers: { "x-request-id": "r-2" } });
    const text = await response.text();
    expect([response.status, text]).toEqual([500, '{"error":"server_error","error_description":"internal error"}']);
    const [line = ""] = edge.logs.filter((entry) => entry.includes("r-2"));
    expect(line).toContain("edge_call_failed");
    expect(line).not.toContain("hunter2");
  });
});

test("where identity is not served there are no such paths", async () => {
  const other = await startTestEdge([OrdersService]);
  const response = await fetch(`${other.url}/oauth/token`, {
    method: "POST",
    body: grant,
    headers: { "content-type": formType },
  });
  expect(response.status).toBe(404);
  await other.close(1_000);
});
