// Which tokens are good, by what they say and by whom they are signed. What a call answers then is tested with the mesh.
import { createHmac } from "node:crypto";
import { Code, ConnectError } from "@connectrpc/connect";
import { decodeProtectedHeader } from "jose";
import { describe, expect, test } from "vitest";
import { systemClock } from "../clock.ts";
import { reasonOf } from "../errors.ts";
import { signToken, testClaims, testIssuer, testKey, type TokenOptions } from "./access.fixture.ts";
import { createKeys } from "./keys.ts";
import { createRevoked } from "./revoked.ts";
import { createVerifier } from "./verify-token.ts";

const key = await testKey("key_1");
const stranger = await testKey("key_1");

function verifierOf(options: { keys?: (typeof key)[]; now?: () => Date } = {}) {
  const clock = options.now ? { now: options.now } : systemClock;
  const asked = { times: 0, isAway: false };
  const published = options.keys ?? [key];
  const keys = createKeys(() => {
    asked.times += 1;
    if (asked.isAway) return Promise.reject(new ConnectError("away", Code.Unavailable));
    return Promise.resolve(published.map((each) => each.published));
  });
  const revoked = createRevoked(clock);
  return { verify: createVerifier({ issuer: testIssuer, keys, revoked, clock }), revoked, asked, published };
}

const refusalOf = (verifying: Promise<unknown>) =>
  verifying.then(
    () => "taken",
    (error: unknown) => [Code[ConnectError.from(error).code], reasonOf(error)],
  );

test("says who calls, for which shop, in which roles and with which scopes", async () => {
  const token = await signToken(key, { claims: { rate_limit: 50 } });
  expect(await verifierOf().verify(token)).toMatchObject({
    subject: "ada",
    clientId: "shop",
    tenant: "demo",
    roles: ["customer"],
    scopes: new Set(["orders:read", "orders:write"]),
    tokenId: "tok_1",
    sessionId: "ses_1",
    rateLimit: 50,
    token,
  });
});

const invalid = ["Unauthenticated", "TOKEN_INVALID"];
describe("is not taken", () => {
  const wrong: Record<string, TokenOptions> = {
    "for another audience": { claims: { aud: "elsewhere" } },
    "without an audience": { claims: { aud: undefined } },
    "of another issuer": { claims: { iss: "http://elsewhere.test" } },
    "of another kind of token": { header: { typ: "JWT" } },
    "before its time": { times: { nbf: 60 } },
    "from the future": { times: { iat: 60 } },
    "without an end": { claims: { exp: undefined } },
    "without an id": { claims: { jti: undefined } },
    "without a subject": { claims: { sub: undefined } },
    "without a tenant": { claims: { tenant: undefined } },
    "of a customer of no shop": { claims: { tenant: "" } },
    "without a role that we know": { claims: { roles: ["emperor"] } },
    "with roles in another shape": { claims: { roles: "operator" } },
    "without scopes": { claims: { scope: undefined } },
    "by a key that nobody has": { header: { kid: "key_2" } },
    "without the id of a key": { header: { kid: undefined } },
  };
  test.each(Object.entries(wrong))("one %s", async (_name, options) => {
    expect(await refusalOf(verifierOf().verify(await signToken(key, options)))).toEqual(invalid);
  });

  test("one by a stranger who gives his key the name of ours", async () => {
    expect(await refusalOf(verifierOf().verify(await signToken(stranger)))).toEqual(invalid);
  });

  test("one without a signature, or signed with our public key as a secret", async () => {
    const token = await signToken(key);
    const [, payload = ""] = token.split(".");
    const encoded = (header: object): string => Buffer.from(JSON.stringify(header)).toString("base64url");
    const header = decodeProtectedHeader(token);
    const none = `${encoded({ ...header, alg: "none" })}.${payload}.`;
    const body = `${encoded({ ...header, alg: "HS256" })}.${payload}`;
    const secret = JSON.stringify(key.published);
    const confused = `${body}.${createHmac("sha256", secret).update(body).digest("base64url")}`;
    for (const forged of [none, confused, `${body}.`]) expect(await refusalOf(verifierOf().verify(forged))).toEqual(invalid);
  });

  test("one whose claims were changed afterwards", async () => {
    const [header, , signature] = (await signToken(key)).split(".");
    const payload = Buffer.from(JSON.stringify({ ...testClaims, roles: ["operator"] })).toString("base64url");
    expect(await refusalOf(verifierOf().verify(`${header}.${payload}.${signature}`))).toEqual(invalid);
  });

  test.each(["", "x", "a.b", "a.b.c", "....", "x".repeat(100_000)])("text that is no token: %.20s", async (text) => {
    expect(await refusalOf(verifierOf().verify(text))).toEqual(invalid);
  });

  test("one that has ended, and one that was given for longer than we give", async () => {
    const ended = await signToken(key, { times: { iat: -700, nbf: -700, exp: -60 } });
    const long = await signToken(key, { times: { iat: -700, nbf: -700, exp: 3_600 } });
    for (const token of [ended, long])
      expect(await refusalOf(verifierOf().verify(token))).toEqual(["Unauthenticated", "TOKEN_EXPIRED"]);
  });
});

test("one that was good ends with its time, also where it is remembered", async () => {
  let now = new Date();
  const { verify } = verifierOf({ now: () => now });
  const token = await signToken(key);
  await verify(token);
  now = new Date(now.getTime() + 595_000);
  await verify(token);
  now = new Date(now.getTime() + 15_000);
  expect(await refusalOf(verify(token))).toEqual(["Unauthenticated", "TOKEN_EXPIRED"]);
});

test.each(["tok_1", "ses_1"])("one that was good is refused once %s is revoked, and others are not", async (id) => {
  const { verify, revoked } = verifierOf();
  const other = await signToken(key, { claims: { jti: "tok_2", sid: undefined } });
  const token = await signToken(key);
  await verify(token);
  revoked.add(id, Date.now() + 600_000);
  expect(await refusalOf(verify(token))).toEqual(["Unauthenticated", "TOKEN_REVOKED"]);
  expect(await verify(other)).toMatchObject({ tokenId: "tok_2" });
});

test("all tokens of a shop that were issued up to a time are refused, but for later ones, other shops' and services'", async () => {
  const { verify, revoked } = verifierOf();
  const nowMs = Math.floor(Date.now() / 1_000) * 1_000;
  revoked.addTenant("demo", { issuedUntilMs: nowMs - 30_000, endMs: nowMs + 600_000 });
  // An earlier word that comes late takes nothing back.
  revoked.addTenant("demo", { issuedUntilMs: nowMs - 50_000, endMs: nowMs + 1_000 });
  const earlier = { times: { iat: -31 } };
  expect(await refusalOf(verify(await signToken(key, earlier)))).toEqual(["Unauthenticated", "TOKEN_REVOKED"]);
  expect(await refusalOf(verify(await signToken(key, { times: { iat: -29 } })))).toBe("taken");
  expect(await refusalOf(verify(await signToken(key, { ...earlier, claims: { tenant: "other" } })))).toBe("taken");
  const service = { sub: "orders", client_id: "orders", sid: undefined, roles: ["service"] };
  expect(await refusalOf(verify(await signToken(key, { ...earlier, claims: service })))).toBe("taken");
});

test("what is revoked is forgotten when its tokens have ended by themselves", () => {
  let now = new Date();
  const revoked = createRevoked({ now: () => now });
  revoked.add("tok_1", now.getTime() + 1_000);
  now = new Date(now.getTime() + 120_000);
  revoked.add("tok_2", now.getTime() + 1_000);
  expect([revoked.holds({ tokenId: "tok_1" }), revoked.holds({ tokenId: "tok_2" })]).toEqual([false, true]);
});

describe("keys", () => {
  test("are asked for once, whatever comes at the same time, and a new one is found when a token names it", async () => {
    const { verify, asked, published } = verifierOf();
    const tokens = await Promise.all(
      Array.from({ length: 20 }, (_, index) => signToken(key, { claims: { jti: `tok_${index}` } })),
    );
    await Promise.all(tokens.map((token) => verify(token)));
    expect(asked.times).toBe(1);
    const next = await testKey("key_2");
    published.push(next);
    await new Promise((resolve) => setTimeout(resolve, 1_050));
    expect(await verify(await signToken(next))).toMatchObject({ subject: "ada" });
    await verify(await signToken(key, { claims: { jti: "tok_old" } }));
    expect(asked.times).toBe(2);
  });

  test("that nobody has are not asked for again and again", async () => {
    const { verify, asked } = verifierOf();
    await verify(await signToken(key));
    for (let round = 0; round < 10; round += 1) {
      expect(await refusalOf(verify(await signToken(key, { header: { kid: `made_up_${round}` } })))).toEqual(invalid);
    }
    expect(asked.times).toBe(1);
  });

  test("that cannot be had are no fault of the token; those that are there serve on", async () => {
    const { verify, asked } = verifierOf();
    asked.isAway = true;
    expect(await refusalOf(verify(await signToken(key)))).toEqual(["Unavailable", "DEPENDENCY_UNAVAILABLE"]);
    asked.isAway = false;
    await new Promise((resolve) => setTimeout(resolve, 1_050));
    await verify(await signToken(key));
    asked.isAway = true;
    expect(await verify(await signToken(key, { claims: { jti: "tok_2" } }))).toMatchObject({ tokenId: "tok_2" });
  });
});
