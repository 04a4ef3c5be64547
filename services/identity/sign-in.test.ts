// Signing in, and what keeps guessers out.
import { Code, ConnectError, createClient, createRouterTransport, type Client } from "@connectrpc/connect";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { sql } from "kysely";
import { afterEach, expect, test } from "vitest";
import { RetryInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import { IdentityService } from "#gen/ordermesh/identity/v1/identity_service_pb.ts";
import { reasonOf } from "#runtime/errors.ts";
import { serverInterceptors } from "#runtime/rpc/interceptors.ts";
import { refusal, refusalError } from "../../test/support/refusal.ts";
import { ada, confidentialClient, identityFixture, type IdentityFixture } from "./identity.fixture.ts";
import { identity as definition } from "./main.ts";

const fixtures: IdentityFixture[] = [];
afterEach(async () => {
  for (const fixture of fixtures.splice(0)) await fixture.close();
});

async function withAda(): Promise<IdentityFixture> {
  const fixture = await identityFixture();
  fixtures.push(fixture);
  await fixture.identity.registerAccount({ clientId: "shop", ...ada });
  return fixture;
}

type Identity = Client<typeof IdentityService>;
const signIn = (identity: Identity, password = ada.password, login = ada.login) =>
  identity.signIn({ clientId: "shop", login, password });

async function outcomes(calls: readonly Promise<unknown>[]): Promise<Record<string, number>> {
  const settled = await Promise.allSettled(calls);
  const names = settled.map((result) => (result.status === "fulfilled" ? "OK" : (reasonOf(result.reason) ?? "NONE")));
  return Object.fromEntries([...Map.groupBy(names, (name) => name)].map(([name, all]) => [name, all.length]));
}

/** Another process on the same database. */
function replicaOf(fixture: IdentityFixture): Identity {
  const { routes } = definition.create(fixture.runtime);
  const interceptors = serverInterceptors({ log: fixture.runtime.log, tenant: "demo" });
  return createClient(IdentityService, createRouterTransport(routes, { router: { interceptors } }));
}

test("a login is the same in any case, and belongs to one account", async () => {
  const fixture = await withAda();
  expect(await signIn(fixture.identity, ada.password, "ADA@example.TEST")).toMatchObject({ tokenType: "Bearer", expiresIn: 600 });
  const register = (login: string, customerId: string) =>
    fixture.identity.registerAccount({ clientId: "shop", login, password: "another password", customerId });
  expect(await refusal(register("Ada@Example.test", ""))).toEqual({ code: Code.AlreadyExists, reason: "LOGIN_TAKEN" });
  expect(await refusal(register("bob@example.test", "ada"))).toEqual({ code: Code.AlreadyExists, reason: "CUSTOMER_ID_TAKEN" });
  expect(await register("bob@example.test", "")).toMatchObject({ customerId: expect.stringMatching(/^cus_/) });
});

test("of six accounts with one login that are made at the same time one is", async () => {
  const fixture = await withAda();
  const calls = Array.from({ length: 6 }, () =>
    fixture.identity.registerAccount({ clientId: "shop", login: "race@example.test", password: "some password" }),
  );
  expect(await outcomes(calls)).toEqual({ OK: 1, LOGIN_TAKEN: 5 });
});

test("people sign in only where a public client is", async () => {
  const fixture = await withAda();
  const { clientId } = await confidentialClient(fixture);
  const signInAt = (clientId: string) => fixture.identity.signIn({ clientId, login: ada.login, password: ada.password });
  for (const other of [clientId, "orders", "ghost"])
    expect(await refusal(signInAt(other))).toEqual({ code: Code.Unauthenticated, reason: "INVALID_CLIENT" });
});

test("an unknown login is answered as a wrong password is, and no sooner", async () => {
  const { identity } = await withAda();
  const timed = async (login: string): Promise<{ ms: number; message: string }> => {
    const beganMs = performance.now();
    const { message } = await refusalError(signIn(identity, "wrong password", login));
    return { ms: performance.now() - beganMs, message };
  };
  const known = [await timed(ada.login), await timed(ada.login), await timed(ada.login)];
  const unknown = [await timed("x@example.test"), await timed("y@example.test"), await timed("z@example.test")];
  expect(new Set([...known, ...unknown].map(({ message }) => message)).size).toBe(1);
  const fastest = (all: { ms: number }[]): number => Math.min(...all.map(({ ms }) => ms));
  // Without a hash of its own it would be a hundredth.
  expect(fastest(unknown)).toBeGreaterThan(fastest(known) / 2);
});

test("after ten wrong passwords the right one has to wait, and then counts", async () => {
  const fixture = await withAda();
  const { identity } = fixture;
  for (let count = 0; count < 10; count += 1) {
    expect(await refusal(signIn(identity, "wrong password"))).toEqual({ code: Code.Unauthenticated, reason: "INVALID_GRANT" });
  }
  const locked = await refusalError(signIn(identity));
  expect([locked.code, reasonOf(locked)]).toEqual([Code.ResourceExhausted, "ACCOUNT_LOCKED"]);
  const delay = locked.findDetails(RetryInfoSchema)[0]?.retryDelay;
  expect(delay && durationMs(delay)).toBe(30_000);
  fixture.pass(30_000);
  await signIn(identity);
  // All is forgotten: the next wrong one is the first.
  expect(await refusal(signIn(identity, "wrong password"))).toMatchObject({ reason: "INVALID_GRANT" });
  await signIn(identity);
});

test("a login that nobody has is locked as well", async () => {
  const { identity } = await withAda();
  const failed: string[] = [];
  for (let count = 0; count < 12; count += 1) {
    failed.push((await refusal(signIn(identity, "wrong password", "ghost@example.test"))).reason ?? "");
  }
  expect(failed.slice(-3)).toEqual(["INVALID_GRANT", "ACCOUNT_LOCKED", "ACCOUNT_LOCKED"]);
});

test("of a hundred guesses at the same time through two replicas no more than ten are looked at", async () => {
  const fixture = await withAda();
  const doors = [fixture.identity, replicaOf(fixture)];
  const calls = Array.from({ length: 100 }, (_, index) => signIn(doors[index % 2] ?? fixture.identity, `guess ${index}`));
  const { INVALID_GRANT: looked = 0, DEADLINE_EXCEEDED: late = 0, ACCOUNT_LOCKED: locked = 0, ...rest } = await outcomes(calls);
  // Late on a machine that has much else to do.
  expect(looked + late).toBeLessThanOrEqual(10);
  expect(locked).toBeGreaterThan(0);
  expect(Object.keys(rest)).toEqual(["SIGN_INS_BUSY"]);
  expect(await refusal(signIn(fixture.identity))).toMatchObject({ reason: "ACCOUNT_LOCKED" });
}, 60_000);

test("more sign-ins than the process has room for are refused with a time to come again, and others are served", async () => {
  const { identity } = await withAda();
  const calls = Array.from({ length: 40 }, (_, index) => signIn(identity, "wrong password", `user${index}@example.test`));
  const began = performance.now();
  await identity.getServerMetadata({});
  expect(performance.now() - began).toBeLessThan(1_000);
  const settled = await Promise.allSettled(calls);
  const refused = settled.flatMap((result) => (result.status === "rejected" ? [ConnectError.from(result.reason)] : []));
  const busy = refused.filter((error) => reasonOf(error) === "SIGN_INS_BUSY");
  expect(refused).toHaveLength(40);
  expect(busy).toHaveLength(32);
  for (const error of busy) expect(error.findDetails(RetryInfoSchema)).toHaveLength(1);
}, 60_000);

test("a new password ends all sessions, and needs the old one", async () => {
  const fixture = await withAda();
  const { identity } = fixture;
  const session = await signIn(identity);
  const newPassword = "a better password";
  const change = (currentPassword: string) => identity.changePassword({ customerId: "ada", currentPassword, newPassword });
  expect(await refusal(change("wrong password"))).toMatchObject({ reason: "INVALID_GRANT" });
  await change(ada.password);
  const refreshing = identity.issueToken({ clientId: "shop", grantType: "refresh_token", refreshToken: session.refreshToken });
  expect(await refusal(refreshing)).toMatchObject({ reason: "INVALID_GRANT" });
  expect(await refusal(signIn(identity))).toMatchObject({ reason: "INVALID_GRANT" });
  await signIn(identity, newPassword);
  const sent = (await fixture.sent()).map(({ typeName }) => typeName.split(".").at(-1));
  expect(sent.filter((name) => name !== "TenantCreated")).toEqual(["AccountRegistered", "TokenRevoked"]);
  expect(await refusal(identity.changePassword({ customerId: "bob", currentPassword: "x", newPassword }))).toMatchObject({
    reason: "INVALID_GRANT",
  });
});

test("passwords are hashed with the parameters of OWASP, each with a salt of its own", async () => {
  const fixture = await withAda();
  await fixture.identity.registerAccount({ clientId: "shop", login: "twin@example.test", password: ada.password });
  const { rows } = await sql<{ hash: string }>`select password_hash as hash from account`.execute(fixture.runtime.db);
  expect(rows).toHaveLength(2);
  for (const { hash } of rows) expect(hash).toMatch(/^\$scrypt\$ln=14,r=8,p=5\$[\w+/]{22}\$[\w+/]{43}$/);
  expect(rows[0]?.hash).not.toBe(rows[1]?.hash);
});

test.each([
  { why: "a password that is too short", change: { password: "short" } },
  { why: "a login that is no address", change: { login: "ada" } },
  { why: "a customer id with a dot", change: { customerId: "a.b" } },
])("$why makes no account", async ({ change }) => {
  const fixture = await withAda();
  const request = { clientId: "shop", login: "new@example.test", password: "some password", ...change };
  expect(await refusal(fixture.identity.registerAccount(request))).toMatchObject({ reason: "INVALID_ARGUMENT" });
});
