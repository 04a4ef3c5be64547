// What operators of the installation do with tenants.
import { Code, createClient, createRouterTransport } from "@connectrpc/connect";
import { sql } from "kysely";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AdminService } from "#gen/ordermesh/identity/v1/admin_service_pb.ts";
import { TenantService } from "#gen/ordermesh/identity/v1/tenant_service_pb.ts";
import { clientSecretOf } from "#runtime/access/settings.ts";
import { connectDatabase } from "#runtime/database/connect.ts";
import { migrateUp } from "#runtime/database/migrate.ts";
import { createLogger } from "#runtime/log.ts";
import { runInContext } from "#runtime/request-context.ts";
import { serverInterceptors } from "#runtime/rpc/interceptors.ts";
import { asOperator } from "../../test/support/as-operator.ts";
import { createTestDatabase } from "../../test/support/database.ts";
import { refusal } from "../../test/support/refusal.ts";
import { identityFixture, testSecret, type IdentityFixture } from "./identity.fixture.ts";
import { identity as definition } from "./main.ts";
import { registerTenants } from "./rpc/registration.ts";

let fixture: IdentityFixture;
beforeAll(async () => {
  fixture = await identityFixture();
});
afterAll(() => fixture.close());

const grantType = "client_credentials";

/** Ids of the tenants that were told of, in the order in which they were. */
const told = async (of: IdentityFixture): Promise<unknown[]> =>
  (await of.sent()).flatMap(({ typeName, message }) => (typeName.endsWith(".TenantCreated") ? [message["tenantId"]] : []));

test("the installation's own tenant is there from the start, and told of once", async () => {
  const fresh = await identityFixture({ ORDERMESH_TENANT: "demo" });
  await fresh.keys.listKeys({});
  const { tenants } = await fresh.tenants.listTenants({});
  expect(tenants.map(({ tenantId }) => tenantId)).toEqual(["demo"]);
  // As at the start of another replica.
  const again = { requestId: "req_start", traceparent: "", tenant: "demo" };
  await runInContext(again, () => registerTenants({ transaction: fresh.runtime.transaction, home: "demo" }));
  expect(await told(fresh)).toEqual(["demo"]);
  await fresh.close();
});

test("a tenant is made with an operator whose token is for it, and is told of in its own name", async () => {
  const made = await fixture.tenants.createTenant({ tenantId: "second", title: "A second shop" });
  expect(made.tenant).toMatchObject({ tenantId: "second", title: "A second shop" });
  expect(made.clientSecret).toMatch(/^oms_[\w-]{43}$/);
  const { accessToken } = await fixture.identity.issueToken({ ...credentials(made), grantType });
  expect(decodeJwt(accessToken)).toMatchObject({ tenant: "second", roles: ["operator"], client_id: made.clientId });
  expect((await fixture.tenants.getTenant({ tenantId: "second" })).tenant).toEqual(made.tenant);
  const { rows } = await sql`
    select tenant_id, key, sequence from outbox where type_name like '%TenantCreated' and key = 'second'`.execute(
    fixture.runtime.db,
  );
  expect(rows).toEqual([{ tenant_id: "second", key: "second", sequence: 1 }]);
});

test("the same request makes one tenant, answers with it again, and shows its secret once", async () => {
  const request = { tenantId: "third", title: "A third shop", requestId: "make-third" };
  const answers = await Promise.all(Array.from({ length: 5 }, () => fixture.tenants.createTenant(request)));
  expect(new Set(answers.map(({ clientId }) => clientId)).size).toBe(1);
  const secrets = answers.map(({ clientSecret }) => clientSecret).filter((secret) => secret !== "");
  expect(secrets).toHaveLength(1);
  expect(await fixture.tenants.createTenant(request)).toMatchObject({ tenant: { tenantId: "third" }, clientSecret: "" });
  const [clientSecret = ""] = secrets;
  const clientId = answers[0]?.clientId ?? "";
  await expect(fixture.identity.issueToken({ clientId, clientSecret, grantType })).resolves.toBeDefined();
  expect((await told(fixture)).filter((tenant) => tenant === "third")).toHaveLength(1);
});

test.each([
  { why: "an id that is taken", request: { tenantId: "third" }, reason: "TENANT_ID_TAKEN" },
  { why: "the installation's own", request: { tenantId: "demo", requestId: "mine" }, reason: "TENANT_ID_TAKEN" },
  { why: "an id under which the mesh keeps seals", request: { tenantId: "mesh" }, reason: "TENANT_ID_TAKEN" },
  {
    why: "a request id of another tenant",
    request: { tenantId: "fourth", requestId: "make-third" },
    reason: "REQUEST_ID_REUSED",
  },
  {
    why: "a request id with another title",
    request: { tenantId: "third", title: "Another", requestId: "make-third" },
    reason: "REQUEST_ID_REUSED",
  },
])("$why is refused", async ({ request, reason }) => {
  expect(await refusal(fixture.tenants.createTenant(request))).toEqual({ code: Code.AlreadyExists, reason });
});

test.each(["", "a.b", "a b", "*", ">", "x".repeat(64)])("a tenant '%s' is refused", async (tenantId) => {
  expect(await refusal(fixture.tenants.createTenant({ tenantId }))).toMatchObject({ code: Code.InvalidArgument });
});

test("where the first secret was lost, another operator is made", async () => {
  await fixture.tenants.createTenant({ tenantId: "lost", requestId: "make-lost" });
  const operator = await fixture.tenants.createTenantOperator({ tenantId: "lost" });
  const { accessToken } = await fixture.identity.issueToken({ ...credentials(operator), grantType });
  expect(decodeJwt(accessToken)).toMatchObject({ tenant: "lost", roles: ["operator"] });
  const unknown = { code: Code.NotFound, reason: "TENANT_NOT_FOUND" };
  expect(await refusal(fixture.tenants.createTenantOperator({ tenantId: "nowhere" }))).toEqual(unknown);
  expect(await refusal(fixture.tenants.getTenant({ tenantId: "nowhere" }))).toEqual(unknown);
});

test("a tenant that is disabled gets no tokens in any way, and has what it had when it is enabled", async () => {
  const made = credentials(await fixture.tenants.createTenant({ tenantId: "shut" }));
  const admin = fixture.clientOf("shut", AdminService);
  await admin.createClient({ clientId: "app", public: true, roles: ["customer"], scopes: ["orders:read"] });
  const bob = { clientId: "app", login: "bob@example.test", password: "another password" };
  await fixture.identity.registerAccount(bob);
  const session = await fixture.identity.signIn(bob);
  const own = await fixture.identity.issueToken({ ...made, grantType });
  fixture.pass(1_000);
  const shut = await fixture.tenants.disableTenant({ tenantId: "shut" });
  expect(shut.tenant?.disabled).toBe(true);

  const refreshing = { clientId: "app", grantType: "refresh_token", refreshToken: session.refreshToken };
  for (const call of [
    () => fixture.identity.issueToken({ ...made, grantType }),
    () => fixture.identity.issueToken(refreshing),
    () => fixture.identity.signIn(bob),
    () => fixture.identity.registerAccount({ ...bob, login: "eve@example.test" }),
  ]) {
    expect(await refusal(call())).toEqual({ code: Code.PermissionDenied, reason: "UNAUTHORIZED_CLIENT" });
  }
  // A secret that is wrong is told no more than ever.
  const guessed = fixture.identity.issueToken({ ...made, clientSecret: "guessed", grantType });
  expect(await refusal(guessed)).toMatchObject({ reason: "INVALID_CLIENT" });
  // Services finish what is under way.
  const service = { clientId: "orders", clientSecret: clientSecretOf("orders", { ORDERMESH_SECRET: testSecret }) };
  const ofService = await fixture.identity.issueToken({ ...service, grantType, tenant: "shut" });
  const isActive = async (token: string): Promise<boolean> =>
    (await fixture.identity.introspectToken({ ...service, token })).active === true;
  const tokens = [own.accessToken, session.accessToken, session.refreshToken, ofService.accessToken];
  expect(await Promise.all(tokens.map(isActive))).toEqual([false, false, false, true]);

  fixture.pass(1_000);
  expect((await fixture.tenants.enableTenant({ tenantId: "shut" })).tenant?.disabled).toBe(false);
  const { accessToken } = await fixture.identity.issueToken(refreshing);
  expect(await Promise.all([own.accessToken, accessToken].map(isActive))).toEqual([false, true]);
  const revocations = (await fixture.sent()).filter(({ message }) => message["tenantId"] === "shut" && "issuedUntil" in message);
  expect(revocations).toHaveLength(1);
});

test("disabling again takes back what was issued since, and the installation's own tenant stays open", async () => {
  await fixture.tenants.createTenant({ tenantId: "twice" });
  for (let times = 0; times < 2; times += 1) {
    fixture.pass(1_000);
    expect((await fixture.tenants.disableTenant({ tenantId: "twice" })).tenant?.disabled).toBe(true);
  }
  const { rows } = await sql<{ revoked: Date }>`select revoke_time as revoked from tenant where tenant_id = 'twice'`.execute(
    fixture.runtime.db,
  );
  expect(rows).toEqual([{ revoked: fixture.now() }]);
  const home = { code: Code.FailedPrecondition, reason: "TENANT_IS_INSTALLATION" };
  expect(await refusal(fixture.tenants.disableTenant({ tenantId: "demo" }))).toEqual(home);
  const unknown = { code: Code.NotFound, reason: "TENANT_NOT_FOUND" };
  expect(await refusal(fixture.tenants.disableTenant({ tenantId: "nowhere" }))).toEqual(unknown);
  expect(await refusal(fixture.tenants.enableTenant({ tenantId: "nowhere" }))).toEqual(unknown);
});

test("pages hold every tenant once, by id", async () => {
  const fresh = await identityFixture();
  for (const tenantId of ["c", "a", "e", "b"]) await fresh.tenants.createTenant({ tenantId });
  const found: string[] = [];
  let pageToken = "";
  do {
    const page = await fresh.tenants.listTenants({ pageSize: 2, pageToken });
    found.push(...page.tenants.map(({ tenantId }) => tenantId));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(found).toEqual(["a", "b", "c", "demo", "e"]);
  await fresh.close();
});

test("another tenant's operator may not, nor rotate the keys, which are of all", async () => {
  const { parts, runtime } = fixture;
  const interceptors = serverInterceptors({ log: runtime.log, tenant: "demo" });
  const router = createRouterTransport(parts.routes, { router: { interceptors } });
  const transport = asOperator(router, { tenant: "second" });
  const tenants = createClient(TenantService, transport);
  const admin = createClient(AdminService, transport);
  const calls = [
    () => tenants.createTenant({ tenantId: "fifth" }),
    () => tenants.createTenantOperator({ tenantId: "demo" }),
    () => tenants.disableTenant({ tenantId: "third" }),
    () => tenants.enableTenant({ tenantId: "second" }),
    () => tenants.getTenant({ tenantId: "second" }),
    () => tenants.listTenants({}),
    () => admin.rotateKeys({}),
  ];
  for (const call of calls) {
    expect(await refusal(call())).toEqual({ code: Code.PermissionDenied, reason: "INSTALLATION_ONLY" });
  }
  // In a tenant that nobody has made there is no client to be made.
  const nowhere = createClient(AdminService, asOperator(router, { tenant: "nowhere" }));
  expect(await refusal(nowhere.createClient({ roles: ["operator"] }))).toEqual({
    code: Code.FailedPrecondition,
    reason: "TENANT_UNKNOWN",
  });
});

test("tenants that have clients or accounts in an older database are registered and told of", async () => {
  const database = await createTestDatabase();
  const log = createLogger({ level: "silent" });
  const { name: schema, migrations } = definition;
  const settings = { url: database.url, as: "owner", schema, connectionsMax: 2, log, onCommit: () => {} } as const;
  const owner = connectDatabase<never>(settings);
  await migrateUp(owner.db, { schema, folder: migrations });
  // Back to the version before, with rows as it had them.
  const { down, up } = await import("./migrations/0004_registered_tenants.ts");
  await down(owner.db);
  await sql`
    insert into client values ('a', 'old', '', true, '{customer}', '{}', null, now()),
      ('b', 'old', '', true, '{customer}', '{}', null, now())`.execute(owner.db);
  await sql`insert into account values ('older', 'ada', 'ada@example.test', '$scrypt$', now(), now())`.execute(owner.db);
  await owner.db.transaction().execute((tx) => up(tx as never));
  await runInContext({ requestId: "req_start", traceparent: "", tenant: "demo" }, () =>
    registerTenants({ transaction: owner.transaction as never, home: "demo" }),
  );
  const { rows } = await sql<{ tenant: string }>`
    select tenant_id as tenant from outbox where type_name like '%TenantCreated' order by tenant_id`.execute(owner.db);
  expect(rows.map(({ tenant }) => tenant)).toEqual(["demo", "old", "older"]);
  await owner.close();
  await database.drop();
});

function credentials({ clientId, clientSecret }: { clientId: string; clientSecret: string }) {
  return { clientId, clientSecret };
}
