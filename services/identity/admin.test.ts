// What operators do with clients and sessions, each in its own tenant.
import { Code } from "@connectrpc/connect";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sql } from "kysely";
import { refusal } from "../../test/support/refusal.ts";
import { ada, confidentialClient, identityFixture, operatorSecret, type IdentityFixture } from "./identity.fixture.ts";

let fixture: IdentityFixture;
beforeAll(async () => {
  fixture = await identityFixture({ ORDERMESH_TENANT: "demo" });
  await fixture.identity.registerAccount({ clientId: "shop", ...ada });
});
afterAll(() => fixture.close());

const grantType = "client_credentials";
const canGetToken = (clientId: string, clientSecret: string): Promise<boolean> =>
  fixture.identity.issueToken({ clientId, clientSecret, grantType }).then(
    () => true,
    () => false,
  );

test("the operator of the settings has all scopes, in the tenant of the installation", async () => {
  const operator = { clientId: "operator", clientSecret: operatorSecret };
  const { accessToken, scope } = await fixture.identity.issueToken({ ...operator, grantType });
  expect(decodeJwt(accessToken)).toMatchObject({ sub: "operator", roles: ["operator"], tenant: "demo" });
  expect(scope.split(" ")).toEqual(expect.arrayContaining(["orders:read", "orders:write", "identity:write"]));
});

test("a client is made with a secret that is shown once", async () => {
  const { client, clientSecret } = await fixture.admin.createClient({
    title: "Bookkeeping",
    roles: ["operator"],
    scopes: ["payments:read"],
    rateLimit: 5,
  });
  expect(client).toMatchObject({
    title: "Bookkeeping",
    public: false,
    roles: ["operator"],
    scopes: ["payments:read"],
    rateLimit: 5,
  });
  expect(client?.clientId).toMatch(/^cli_/);
  expect(clientSecret).toMatch(/^oms_[\w-]{43}$/);
  expect(await canGetToken(client?.clientId ?? "", clientSecret)).toBe(true);
  expect(JSON.stringify(await fixture.admin.listClients({ pageSize: 200 }), (_, value: unknown) => String(value))).not.toContain(
    clientSecret,
  );
});

test.each([
  { why: "an id that is taken", request: { clientId: "shop" } },
  { why: "a service's id", request: { clientId: "orders" } },
  { why: "the first operator's id", request: { clientId: "operator" } },
  { why: "the name of what a process does by itself", request: { clientId: "mesh" } },
])("$why is refused", async ({ request }) => {
  const call = fixture.admin.createClient({ roles: ["operator"], ...request });
  expect(await refusal(call)).toEqual({ code: Code.AlreadyExists, reason: "CLIENT_ID_TAKEN" });
});

test.each([
  { why: "the role service", request: { roles: ["service"] } },
  { why: "no role", request: { roles: [] } },
  { why: "a public operator", request: { roles: ["operator"], public: true } },
  { why: "a scope with a space", request: { roles: ["operator"], scopes: ["a b"] } },
  { why: "a scope with a quote", request: { roles: ["operator"], scopes: ['a"b'] } },
  { why: "an id with a dot", request: { roles: ["operator"], clientId: "a.b" } },
])("$why is refused", async ({ request }) => {
  expect(await refusal(fixture.admin.createClient(request))).toEqual({ code: Code.InvalidArgument, reason: "INVALID_ARGUMENT" });
});

test("after a rotation both secrets are good, until the time that the answer says", async () => {
  const { clientId, clientSecret: first } = await confidentialClient(fixture);
  const { clientSecret: second, previousExpireTime } = await fixture.admin.rotateClientSecret({ clientId, overlapSeconds: 60 });
  expect(previousExpireTime && timestampDate(previousExpireTime)).toEqual(new Date(fixture.now().getTime() + 60_000));
  expect([await canGetToken(clientId, first), await canGetToken(clientId, second)]).toEqual([true, true]);
  fixture.pass(60_000);
  expect([await canGetToken(clientId, first), await canGetToken(clientId, second)]).toEqual([false, true]);
});

test("a second rotation gives the secret before the last no more time, and none at all where that is asked for", async () => {
  const { clientId, clientSecret: first } = await confidentialClient(fixture);
  const { clientSecret: second } = await fixture.admin.rotateClientSecret({ clientId, overlapSeconds: 60 });
  await fixture.admin.rotateClientSecret({ clientId });
  fixture.pass(60_000);
  expect([await canGetToken(clientId, first), await canGetToken(clientId, second)]).toEqual([false, true]);
  const { clientSecret: third } = await fixture.admin.rotateClientSecret({ clientId, overlapSeconds: 0 });
  expect([await canGetToken(clientId, second), await canGetToken(clientId, third)]).toEqual([false, true]);
});

test("a public client has no secret to rotate", async () => {
  const call = fixture.admin.rotateClientSecret({ clientId: "shop" });
  expect(await refusal(call)).toEqual({ code: Code.FailedPrecondition, reason: "CLIENT_IS_PUBLIC" });
});

test("a client that is deleted gets nothing more, and its sessions end", async () => {
  await fixture.admin.createClient({ clientId: "old-shop", public: true, roles: ["customer"], scopes: ["orders:read"] });
  const { accessToken, refreshToken } = await fixture.identity.signIn({ ...ada, clientId: "old-shop" });
  await fixture.admin.deleteClient({ clientId: "old-shop" });
  const refreshing = fixture.identity.issueToken({ clientId: "old-shop", grantType: "refresh_token", refreshToken });
  expect(await refusal(refreshing)).toMatchObject({ reason: "INVALID_CLIENT" });
  const { sid } = decodeJwt(accessToken);
  expect((await fixture.sent()).filter(({ message }) => message["revokedId"] === sid)).toHaveLength(1);
  const again = fixture.admin.deleteClient({ clientId: "old-shop" });
  expect(await refusal(again)).toEqual({ code: Code.NotFound, reason: "CLIENT_NOT_FOUND" });
});

test("all sessions of a customer end at once, and only theirs", async () => {
  const bob = { login: "bob@example.test", password: "another password" };
  await fixture.identity.registerAccount({ clientId: "shop", customerId: "bob", ...bob });
  const sessions = [];
  for (const who of [ada, ada, bob]) sessions.push(await fixture.identity.signIn({ clientId: "shop", ...who }));
  expect(await fixture.admin.revokeSessions({ customerId: "ada" })).toMatchObject({ sessionsEnded: 2 });
  expect(await fixture.admin.revokeSessions({ customerId: "ada" })).toMatchObject({ sessionsEnded: 0 });
  const refreshed = await Promise.allSettled(
    sessions.map(({ refreshToken }) =>
      fixture.identity.issueToken({ clientId: "shop", grantType: "refresh_token", refreshToken }),
    ),
  );
  expect(refreshed.map(({ status }) => status)).toEqual(["rejected", "rejected", "fulfilled"]);
});

test("another tenant's clients and customers are nobody's here", async () => {
  const { clientId, clientSecret } = await confidentialClient(fixture, { clientId: "elsewhere" });
  await fixture.tenants.createTenant({ tenantId: "other" });
  await sql`update client set tenant_id = 'other' where client_id = 'elsewhere'`.execute(fixture.runtime.db);
  const { rotateClientSecret, deleteClient } = fixture.admin;
  for (const call of [rotateClientSecret, deleteClient]) {
    expect(await refusal(call({ clientId }))).toEqual({ code: Code.NotFound, reason: "CLIENT_NOT_FOUND" });
  }
  const { clients } = await fixture.admin.listClients({ pageSize: 200 });
  expect(clients.map((client) => client.clientId)).not.toContain("elsewhere");
  const { accessToken } = await fixture.identity.issueToken({ clientId, clientSecret, grantType });
  expect(decodeJwt(accessToken)).toMatchObject({ tenant: "other" });
});

test("pages hold every client once, by id", async () => {
  const fresh = await identityFixture();
  for (const clientId of ["c", "a", "e", "b", "d"]) await confidentialClient(fresh, { clientId });
  const found: string[] = [];
  let pageToken = "";
  do {
    const page = await fresh.admin.listClients({ pageSize: 2, pageToken });
    found.push(...page.clients.map(({ clientId }) => clientId));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(found).toEqual(["a", "b", "c", "d", "e", "shop"]);
  await fresh.close();
});
