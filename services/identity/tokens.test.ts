// Tokens as they are given, refreshed, taken back and looked at.
import { Code } from "@connectrpc/connect";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { clientSecretOf } from "#runtime/access/settings.ts";
import { reasonOf } from "#runtime/errors.ts";
import { refusal } from "../../test/support/refusal.ts";
import {
  ada,
  confidentialClient,
  identityFixture,
  openConnections,
  testSecret,
  type IdentityFixture,
} from "./identity.fixture.ts";

let fixture: IdentityFixture;
beforeAll(async () => {
  fixture = await identityFixture();
  await fixture.identity.registerAccount({ clientId: "shop", ...ada });
});
afterAll(() => fixture.close());

const signIn = (scope = "") => fixture.identity.signIn({ clientId: "shop", login: ada.login, password: ada.password, scope });
const refresh = (refreshToken: string, scope = "") =>
  fixture.identity.issueToken({ clientId: "shop", grantType: "refresh_token", refreshToken, scope });
const grantType = "client_credentials";
const invalidGrant = { code: Code.Unauthenticated, reason: "INVALID_GRANT" };

async function introspect(token: string) {
  const client = await confidentialClient(fixture);
  return fixture.identity.introspectToken({ ...client, token });
}

async function revocations(): Promise<unknown[]> {
  return (await fixture.sent()).map(({ message }) => message["revokedId"]);
}

describe("client credentials", () => {
  test("a client gets a token for itself, by RFC 9068, and no refresh token", async () => {
    const client = await confidentialClient(fixture, { scopes: ["orders:read", "orders:write"], rateLimit: 7 });
    const answer = await fixture.identity.issueToken({ ...client, grantType });
    expect(answer).toMatchObject({ tokenType: "Bearer", expiresIn: 600, refreshToken: "", scope: "orders:read orders:write" });
    expect(decodeProtectedHeader(answer.accessToken)).toEqual({
      alg: "ES256",
      typ: "at+jwt",
      kid: expect.stringMatching(/^key_/),
    });
    const iat = fixture.now().getTime() / 1_000;
    const { clientId } = client;
    expect(decodeJwt(answer.accessToken)).toEqual({
      iss: "http://127.0.0.1:8080",
      aud: "ordermesh",
      sub: clientId,
      client_id: clientId,
      jti: expect.stringMatching(/^tok_/),
      tenant: "demo",
      roles: ["operator"],
      scope: "orders:read orders:write",
      rate_limit: 7,
      iat,
      nbf: iat,
      exp: iat + 600,
    });
  });

  test("a service acts for a tenant or for none", async () => {
    const client = { clientId: "orders", clientSecret: clientSecretOf("orders", { ORDERMESH_SECRET: testSecret }) };
    const { accessToken } = await fixture.identity.issueToken({ ...client, grantType });
    expect(decodeJwt(accessToken)).toMatchObject({ sub: "orders", tenant: "", roles: ["service"] });
    const other = await fixture.identity.issueToken({ ...client, grantType, tenant: "other" });
    expect(decodeJwt(other.accessToken)).toMatchObject({ sub: "orders", tenant: "other" });
  });

  test.each([
    { why: "no grant type", change: { grantType: "" }, want: { code: Code.InvalidArgument, reason: "INVALID_REQUEST" } },
    {
      why: "another grant type",
      change: { grantType: "password" },
      want: { code: Code.InvalidArgument, reason: "UNSUPPORTED_GRANT_TYPE" },
    },
    { why: "a wrong secret", change: { clientSecret: "wrong" }, want: { code: Code.Unauthenticated, reason: "INVALID_CLIENT" } },
    { why: "no secret", change: { clientSecret: "" }, want: { code: Code.Unauthenticated, reason: "INVALID_CLIENT" } },
    { why: "an unknown client", change: { clientId: "ghost" }, want: { code: Code.Unauthenticated, reason: "INVALID_CLIENT" } },
    {
      why: "a service without its secret",
      change: { clientId: "orders" },
      want: { code: Code.Unauthenticated, reason: "INVALID_CLIENT" },
    },
    {
      why: "a scope that it has not",
      change: { scope: "orders:write" },
      want: { code: Code.InvalidArgument, reason: "INVALID_SCOPE" },
    },
    {
      why: "another tenant",
      change: { tenant: "other" },
      want: { code: Code.PermissionDenied, reason: "UNAUTHORIZED_CLIENT" },
    },
    {
      why: "a public client",
      change: { clientId: "shop", clientSecret: "" },
      want: { code: Code.PermissionDenied, reason: "UNAUTHORIZED_CLIENT" },
    },
  ])("$why is refused", async ({ change, want }) => {
    const client = await confidentialClient(fixture);
    expect(await refusal(fixture.identity.issueToken({ ...client, grantType, ...change }))).toEqual(want);
  });
});

describe("refreshing", () => {
  test("gives a new access token and a new refresh token of the same session", async () => {
    const first = await signIn();
    expect(decodeJwt(first.accessToken)).toMatchObject({ sub: "ada", client_id: "shop", roles: ["customer"], tenant: "demo" });
    const second = await refresh(first.refreshToken);
    expect(second.refreshToken).not.toBe(first.refreshToken);
    const [before, after] = [decodeJwt(first.accessToken), decodeJwt(second.accessToken)];
    expect(after["sid"]).toBe(before["sid"]);
    expect(after.jti).not.toBe(before.jti);
    expect(await refresh(second.refreshToken)).toMatchObject({ scope: "orders:read orders:write" });
  });

  test("may ask for less, which the session does not lose, and not for more", async () => {
    const first = await signIn("orders:read");
    expect(await refusal(refresh(first.refreshToken, "orders:write"))).toMatchObject({ reason: "INVALID_SCOPE" });
    const second = await refresh(first.refreshToken);
    expect(second.scope).toBe("orders:read");
    const both = await signIn();
    const less = await refresh(both.refreshToken, "orders:read");
    expect(less.scope).toBe("orders:read");
    expect((await refresh(less.refreshToken)).scope).toBe("orders:read orders:write");
  });

  test("with a token that was used before ends the session, and tells everybody", async () => {
    const first = await signIn();
    const second = await refresh(first.refreshToken);
    expect(await refusal(refresh(first.refreshToken))).toEqual(invalidGrant);
    expect(await refusal(refresh(second.refreshToken))).toEqual(invalidGrant);
    const { sid } = decodeJwt(second.accessToken);
    expect((await revocations()).filter((id) => id === sid)).toHaveLength(1);
    expect(await introspect(second.accessToken)).toMatchObject({ active: false });
  });

  test("ten times at once with one token: one wins, and the session ends", async () => {
    const first = await signIn();
    await openConnections(fixture);
    const answers = await Promise.allSettled(Array.from({ length: 10 }, () => refresh(first.refreshToken)));
    const won = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
    expect(won).toHaveLength(1);
    const lost = answers.flatMap((answer) => (answer.status === "rejected" ? [reasonOf(answer.reason)] : []));
    expect(lost).toEqual(Array.from({ length: 9 }, () => "INVALID_GRANT"));
    const [winner] = won;
    expect(await refusal(refresh(winner?.refreshToken ?? ""))).toEqual(invalidGrant);
    const { sid } = decodeJwt(first.accessToken);
    expect((await revocations()).filter((id) => id === sid)).toHaveLength(1);
  });

  test("by another client is refused, and does not end the session", async () => {
    const first = await signIn();
    const client = await confidentialClient(fixture);
    const stolen = fixture.identity.issueToken({ ...client, grantType: "refresh_token", refreshToken: first.refreshToken });
    expect(await refusal(stolen)).toEqual(invalidGrant);
    await refresh(first.refreshToken);
  });

  test("ends after thirty days, however often it was done", async () => {
    const first = await signIn();
    fixture.pass(29 * 24 * 3_600_000);
    const second = await refresh(first.refreshToken);
    fixture.pass(24 * 3_600_000);
    expect(await refusal(refresh(second.refreshToken))).toEqual(invalidGrant);
  });

  test("without a token or with none of ours is refused", async () => {
    expect(await refusal(refresh(""))).toMatchObject({ reason: "INVALID_REQUEST" });
    expect(await refusal(refresh("omr_guessed"))).toEqual(invalidGrant);
  });
});

describe("revoking", () => {
  const revoke = (token: string) => fixture.identity.revokeToken({ clientId: "shop", token });

  test("an access token ends this one and not its session", async () => {
    const { accessToken, refreshToken } = await signIn();
    await revoke(accessToken);
    await revoke(accessToken);
    expect(await introspect(accessToken)).toMatchObject({ active: false });
    const { jti, exp } = decodeJwt(accessToken);
    const told = (await fixture.sent()).filter(({ message }) => message["revokedId"] === jti);
    expect(told).toMatchObject([{ key: jti, sequence: 1, message: { expireTime: { seconds: BigInt(exp ?? 0) } } }]);
    expect(await introspect((await refresh(refreshToken)).accessToken)).toMatchObject({ active: true });
  });

  test("a refresh token ends its session with all access tokens, also when it was used", async () => {
    const first = await signIn();
    const second = await refresh(first.refreshToken);
    await revoke(first.refreshToken);
    expect(await introspect(first.accessToken)).toMatchObject({ active: false });
    expect(await introspect(second.accessToken)).toMatchObject({ active: false });
    expect(await refusal(refresh(second.refreshToken))).toEqual(invalidGrant);
    expect((await revocations()).filter((id) => id === decodeJwt(first.accessToken)["sid"])).toHaveLength(1);
  });

  test("what is no token is answered as if it were revoked", async () => {
    for (const token of ["omr_guessed", "a.b.c", "x"]) expect(await revoke(token)).toBeDefined();
  });

  test("another client's token is refused, and stays good", async () => {
    const { accessToken, refreshToken } = await signIn();
    const client = await confidentialClient(fixture);
    for (const token of [accessToken, refreshToken]) {
      expect(await refusal(fixture.identity.revokeToken({ ...client, token }))).toMatchObject({ reason: "UNAUTHORIZED_CLIENT" });
      expect(await introspect(token)).toMatchObject({ active: true });
    }
  });
});

describe("introspection", () => {
  test("says what a token says", async () => {
    const { accessToken, refreshToken } = await signIn();
    const about = { active: true, clientId: "shop", sub: "ada", tenant: "demo", roles: ["customer"] };
    const { jti = "", sid, exp, iat } = decodeJwt(accessToken);
    const common = { ...about, sid, iss: "http://127.0.0.1:8080", scope: "orders:read orders:write" };
    expect(await introspect(accessToken)).toMatchObject({ ...common, tokenType: "Bearer", aud: "ordermesh", jti, exp, iat });
    expect(await introspect(refreshToken)).toMatchObject({ ...common, jti: "", exp: (iat ?? 0) + 30 * 24 * 3_600 });
  });

  test("of what is not good says nothing else", async () => {
    const { accessToken, refreshToken } = await signIn();
    await refresh(refreshToken);
    const [header, payload, signature = ""] = accessToken.split(".");
    const forged = [header, payload, signature.replace(/^./, (first) => (first === "A" ? "B" : "A"))].join(".");
    const unsigned = `${Buffer.from('{"alg":"none","typ":"at+jwt"}').toString("base64url")}.${payload}.`;
    for (const token of [refreshToken, forged, unsigned, "a.b.c", "omr_guessed", `${accessToken}x`]) {
      const answer = await introspect(token);
      expect(answer, token).toMatchObject({ active: false, sub: "", clientId: "", exp: 0 });
    }
    fixture.pass(600_000);
    expect(await introspect(accessToken)).toMatchObject({ active: false });
  });

  test("of another tenant's token says nothing, but to a service", async () => {
    const service = { clientId: "orders", clientSecret: clientSecretOf("orders", { ORDERMESH_SECRET: testSecret }) };
    const { accessToken } = await fixture.identity.issueToken({ ...service, grantType, tenant: "other" });
    expect(await introspect(accessToken)).toMatchObject({ active: false });
    const seen = await fixture.identity.introspectToken({ ...service, token: accessToken });
    expect(seen).toMatchObject({ active: true, tenant: "other" });
  });

  test("is not for public clients", async () => {
    const { accessToken } = await signIn();
    expect(await refusal(fixture.identity.introspectToken({ clientId: "shop", token: accessToken }))).toMatchObject({
      reason: "INVALID_CLIENT",
    });
  });
});
