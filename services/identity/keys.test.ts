// The life of signing keys: published, signing, published, gone. And the secret under which they are stored.
import { createClient, createRouterTransport } from "@connectrpc/connect";
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from "jose";
import { sql } from "kysely";
import { afterEach, expect, test } from "vitest";
import { KeysService } from "#gen/ordermesh/identity/v1/keys_service_pb.ts";
import { clientSecretOf } from "#runtime/access/settings.ts";
import { serverInterceptors } from "#runtime/rpc/interceptors.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { refusalError } from "../../test/support/refusal.ts";
import { identityFixture, openConnections, testSecret, type IdentityFixture } from "./identity.fixture.ts";
import { identity as definition } from "./main.ts";
import type { IdentityTables } from "./store/tables.ts";

const minuteMs = 60_000;
const dayMs = 24 * 3_600_000;

let fixture: IdentityFixture;
afterEach(() => fixture.close());

async function token(): Promise<{ accessToken: string; kid: string | undefined }> {
  const client = { clientId: "orders", clientSecret: clientSecretOf("orders", { ORDERMESH_SECRET: testSecret }) };
  const { accessToken } = await fixture.identity.issueToken({ ...client, grantType: "client_credentials" });
  return { accessToken, kid: decodeProtectedHeader(accessToken).kid };
}

const published = async (): Promise<string[]> => (await fixture.keys.listKeys({})).keys.map(({ kid }) => kid);

/** As every other service would. */
async function isGood(accessToken: string): Promise<boolean> {
  const { keys } = await fixture.keys.listKeys({});
  const options = { issuer: "http://127.0.0.1:8080", audience: "ordermesh", typ: "at+jwt", currentDate: fixture.now() };
  return jwtVerify(accessToken, createLocalJWKSet({ keys }), options).then(
    () => true,
    () => false,
  );
}

const clientOf = (runtime: ServiceRuntime<IdentityTables>) => {
  const { routes } = definition.create(runtime);
  const interceptors = serverInterceptors({ log: runtime.log, tenant: "demo" });
  return createClient(KeysService, createRouterTransport(routes, { router: { interceptors } }));
};

test("a rotation breaks no token: the new key is published before it signs, the old one goes after its last token", async () => {
  fixture = await identityFixture();
  const first = await token();
  expect(await published()).toEqual([first.kid]);

  const { keyId } = await fixture.admin.rotateKeys({});
  expect(keyId).not.toBe(first.kid);
  // While one is on its way, there is no other.
  expect((await fixture.admin.rotateKeys({})).keyId).toBe(keyId);
  expect(await published()).toEqual([keyId, first.kid]);
  fixture.pass(10 * minuteMs - 1_000);
  const last = await token();
  expect(last.kid).toBe(first.kid);

  fixture.pass(1_000);
  expect((await token()).kid).toBe(keyId);
  fixture.pass(9 * minuteMs);
  expect(await isGood(last.accessToken)).toBe(true);
  await fixture.care();
  expect(await published()).toEqual([keyId, first.kid]);

  fixture.pass(2 * minuteMs);
  expect(await published()).toEqual([keyId]);
  fixture.pass(10 * minuteMs);
  await fixture.care();
  const { rows } = await sql<{ keyId: string }>`select key_id as "keyId" from signing_key`.execute(fixture.runtime.db);
  expect(rows).toEqual([{ keyId }]);
  expect(await isGood((await token()).accessToken)).toBe(true);
});

test("a key is followed by another after a month, by itself", async () => {
  fixture = await identityFixture();
  const first = await token();
  fixture.pass(30 * dayMs - 1);
  await fixture.care();
  expect(await published()).toEqual([first.kid]);
  fixture.pass(10 * minuteMs);
  await fixture.care();
  expect(await published()).toHaveLength(2);
  fixture.pass(10 * minuteMs);
  await fixture.care();
  expect(await published()).toHaveLength(2);
  expect((await token()).kid).not.toBe(first.kid);
});

test("of replicas that start at once one makes the first key", async () => {
  fixture = await identityFixture();
  await openConnections(fixture);
  const replicas = Array.from({ length: 5 }, () => clientOf(fixture.runtime));
  const answers = await Promise.all(replicas.map((replica) => replica.listKeys({})));
  expect(answers.map(({ keys }) => keys.length)).toEqual([1, 1, 1, 1, 1]);
  expect(new Set(answers.map(({ keys }) => keys[0]?.kid)).size).toBe(1);
});

test("a secret that does not open the keys is refused with what to do, and the right one still opens them", async () => {
  fixture = await identityFixture();
  await token();
  const env = { ...fixture.runtime.env, ORDERMESH_SECRET: "another-secret-that-is-for-tests-and-nothing-else" };
  const error = await refusalError(clientOf({ ...fixture.runtime, env }).listKeys({}));
  expect(error.rawMessage).toMatch(/does not open the signing keys in the database: set ORDERMESH_SECRET to/);
  expect(error.rawMessage).not.toContain("another-secret");
  expect((await clientOf(fixture.runtime).listKeys({})).keys).toHaveLength(1);
});

test.each([
  { env: { ORDERMESH_SECRET: "short" }, says: /^ORDERMESH_SECRET has 5 characters/ },
  { env: { ORDERMESH_OPERATOR_SECRET: "short" }, says: /^ORDERMESH_OPERATOR_SECRET has 5 characters/ },
  { env: { ORDERMESH_ORDERS_CLIENT_SECRET: "short" }, says: /^ORDERMESH_ORDERS_CLIENT_SECRET has 5 characters/ },
])("a setting that can be guessed is refused before there is a key: $says", async ({ env, says }) => {
  fixture = await identityFixture();
  const runtime = { ...fixture.runtime, env: { ...fixture.runtime.env, ...env } };
  const error = await refusalError(clientOf(runtime).listKeys({}));
  expect(error.rawMessage).toMatch(says);
});

test("the published keys have no private half, and the stored ones only a sealed one", async () => {
  fixture = await identityFixture();
  const { keys } = await fixture.keys.listKeys({});
  const { rows } = await sql<{ row: Record<string, unknown> }>`select to_jsonb(signing_key) as row from signing_key`.execute(
    fixture.runtime.db,
  );
  expect(rows[0]?.row["public_jwk"]).toEqual({ kty: "EC", crv: "P-256", x: keys[0]?.x, y: keys[0]?.y });
  // Of PKCS #8 for P-256 every key begins in the same way.
  expect(String(rows[0]?.row["private_sealed"])).not.toContain("30818702010030130607");
});

test("what has ended is removed", async () => {
  fixture = await identityFixture();
  await fixture.identity.registerAccount({ clientId: "shop", login: "ada@example.test", password: "some password" });
  const sign = (password: string) => fixture.identity.signIn({ clientId: "shop", login: "ada@example.test", password });
  const { accessToken, refreshToken } = await sign("some password");
  await refusalError(sign("wrong password"));
  await fixture.identity.revokeToken({ clientId: "shop", token: accessToken });
  const { client } = await fixture.admin.createClient({ roles: ["operator"] });
  await fixture.admin.rotateClientSecret({ clientId: client?.clientId ?? "", overlapSeconds: 60 });
  const counts = async (): Promise<unknown> => {
    const { rows } = await sql`
      select (select count(*) from session) as sessions, (select count(*) from refresh_token) as tokens,
        (select count(*) from revocation) as revocations, (select count(*) from sign_in_attempts) as attempts,
        (select count(*) from client_secret) as secrets`.execute(fixture.runtime.db);
    return rows[0];
  };
  await fixture.care();
  expect(await counts()).toEqual({ sessions: 1, tokens: 1, revocations: 1, attempts: 1, secrets: 2 });
  fixture.pass(dayMs + 1);
  await fixture.care();
  expect(await counts()).toEqual({ sessions: 1, tokens: 1, revocations: 0, attempts: 0, secrets: 1 });
  await fixture.identity.issueToken({ clientId: "shop", grantType: "refresh_token", refreshToken });
  fixture.pass(30 * dayMs);
  await fixture.care();
  expect(await counts()).toEqual({ sessions: 0, tokens: 0, revocations: 0, attempts: 0, secrets: 1 });
});
