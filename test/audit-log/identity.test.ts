// What identity writes down of callers whom it knows by their request and not by a token.
import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { decodeJwt } from "jose";
import { clientSecretOf } from "#runtime/access/settings.ts";
import {
  ada,
  confidentialClient,
  identityFixture,
  testSecret,
  type IdentityFixture,
} from "../../services/identity/identity.fixture.ts";
import { refusal } from "../support/refusal.ts";
import { entriesOf, type StoredEntry } from "./callers.ts";

let fixture: IdentityFixture;
beforeAll(async () => {
  fixture = await identityFixture();
  await fixture.tenants.createTenant({ tenantId: "other" });
  await sql`insert into client values ('elsewhere', 'other', '', true, '{customer}', '{}', null, now())`.execute(
    fixture.runtime.db,
  );
});
afterAll(() => fixture.close());

/** Entries that the work leaves. */
async function entriesDuring(work: () => Promise<unknown>): Promise<StoredEntry[]> {
  const earlier = (await entriesOf(fixture.runtime.db)).length;
  await work();
  return (await entriesOf(fixture.runtime.db)).slice(earlier);
}

const signIn = (clientId: string) => fixture.identity.signIn({ clientId, login: ada.login, password: ada.password });

test.each([
  { clientId: "shop", tenant: "demo" },
  { clientId: "elsewhere", tenant: "other" },
])("a customer of the client $clientId is written down in its shop, which is $tenant", async ({ clientId, tenant }) => {
  let customerId = "";
  const entries = await entriesDuring(async () => {
    ({ customerId } = await fixture.identity.registerAccount({ login: ada.login, password: ada.password, clientId }));
    const { refreshToken } = await signIn(clientId);
    await fixture.identity.issueToken({ grantType: "refresh_token", clientId, refreshToken });
  });
  const [registered, begun, refreshed] = entries;
  const who = { tenant_id: tenant, subject: customerId, client_id: clientId, roles: "customer" };
  expect(entries).toMatchObject([who, who, who]);
  expect([registered?.resource_kind, begun?.resource_kind, refreshed?.resource_kind]).toEqual(["account", "session", "session"]);
  expect(refreshed?.resource_id).toBe(begun?.resource_id);
  expect(registered).toMatchObject({ resource_id: customerId, after: { clientId } });
  expect(begun?.after).toMatchObject({ active: true, client_id: clientId, sub: customerId });
  expect(refreshed?.after).toEqual({ grantType: "refresh_token", clientId });
});

test("an old refresh token ends the session, and that is written down though it is refused", async () => {
  const { refreshToken } = await signIn("shop");
  const refresh = () => fixture.identity.issueToken({ grantType: "refresh_token", clientId: "shop", refreshToken });
  await refresh();
  const entries = await entriesDuring(async () => expect((await refusal(refresh())).reason).toBe("INVALID_GRANT"));
  expect(entries).toMatchObject([{ resource_kind: "session", before: { active: true }, after: { active: false } }]);
});

test("an access token that is taken back is written down once, under whoever had it", async () => {
  const client = await confidentialClient(fixture);
  const { accessToken: token } = await fixture.identity.issueToken({ ...client, grantType: "client_credentials" });
  const revoke = () => fixture.identity.revokeToken({ ...client, token });
  const entries = await entriesDuring(async () => {
    await revoke();
    await revoke();
  });
  const { clientId } = client;
  expect(entries).toMatchObject([
    {
      resource_kind: "access_token",
      resource_id: decodeJwt(token).jti,
      subject: clientId,
      client_id: clientId,
      tenant_id: "demo",
    },
  ]);
});

test("a token that is for no shop is written down in the tenant of the call", async () => {
  const client = { clientId: "orders", clientSecret: clientSecretOf("orders", { ORDERMESH_SECRET: testSecret }) };
  const { accessToken: token } = await fixture.identity.issueToken({ ...client, grantType: "client_credentials" });
  const entries = await entriesDuring(() => fixture.identity.revokeToken({ ...client, token }));
  expect(entries).toMatchObject([{ resource_kind: "access_token", subject: "orders", roles: "service", tenant_id: "demo" }]);
});

test("a token for a client itself, a wrong password and a key that is on its way already leave nothing", async () => {
  const client = await confidentialClient(fixture);
  await fixture.admin.rotateKeys({});
  const entries = await entriesDuring(async () => {
    await fixture.identity.issueToken({ ...client, grantType: "client_credentials" });
    await refusal(fixture.identity.signIn({ clientId: "shop", login: ada.login, password: "another" }));
    await fixture.admin.rotateKeys({});
  });
  expect(entries).toEqual([]);
});
