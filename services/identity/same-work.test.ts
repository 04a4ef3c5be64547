// Who is unknown and who is wrong are told apart neither by the answer nor by the work that it takes: how often is hashed and
// which statements are made, which is the same on every machine where a time is not.
import crypto from "node:crypto";
import { syncBuiltinESMExports } from "node:module";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { newId } from "#runtime/ids.ts";
import { statementsOf, watchStatements } from "../../test/access/statements.ts";
import { refusalError } from "../../test/support/refusal.ts";
import { ada, confidentialClient, identityFixture, type IdentityFixture } from "./identity.fixture.ts";

let fixture: IdentityFixture;
let known: string;
const hashed = { scrypt: 0, sha256: 0 };
const { scrypt, createHash } = crypto;

beforeAll(async () => {
  watchStatements();
  fixture = await identityFixture();
  await fixture.identity.registerAccount({ clientId: "shop", ...ada });
  ({ clientId: known } = await confidentialClient(fixture));
  crypto.scrypt = ((...given: Parameters<typeof scrypt>) => {
    hashed.scrypt += 1;
    return scrypt(...given);
  }) as typeof scrypt;
  crypto.createHash = (name, options) => {
    hashed.sha256 += 1;
    return createHash(name, options);
  };
  syncBuiltinESMExports();
});
beforeEach(() => Object.assign(hashed, { scrypt: 0, sha256: 0 }));
afterAll(async () => {
  Object.assign(crypto, { scrypt, createHash });
  syncBuiltinESMExports();
  await fixture.close();
});

type Headers = { headers: Record<string, string> };

/** What is told and what was done for it. */
async function refused(call: (options: Headers) => Promise<unknown>, id: string) {
  Object.assign(hashed, { scrypt: 0, sha256: 0 });
  const requestId = newId("req");
  let told = "";
  const statements = await statementsOf(requestId, async () => {
    const { code, rawMessage, details } = await refusalError(call({ headers: { "x-request-id": requestId } }));
    told = JSON.stringify({ code, rawMessage, details }).replaceAll(id, "<id>");
  });
  return { told, statements, ...hashed };
}

const wrong = "a-secret-that-is-wrong";
const asks: Record<string, (clientId: string) => (options: Headers) => Promise<unknown>> = {
  IssueToken: (clientId) => (options) =>
    fixture.identity.issueToken({ clientId, clientSecret: wrong, grantType: "client_credentials" }, options),
  RevokeToken: (clientId) => (options) => fixture.identity.revokeToken({ clientId, clientSecret: wrong, token: "any" }, options),
  IntrospectToken: (clientId) => (options) =>
    fixture.identity.introspectToken({ clientId, clientSecret: wrong, token: "any" }, options),
};

describe.each(Object.entries(asks))("%s", (_name, ask) => {
  test.each([
    ["a client with another secret", () => known],
    ["a client of the settings with another secret", () => "operator"],
    ["a service with another secret", () => "orders"],
    ["a public client, which has none", () => "shop"],
  ])("is refused to %s as to one that does not exist", async (_who, idOf) => {
    await refused(ask("nobody"), "nobody");
    const nobody = await refused(ask("nobody"), "nobody");
    expect(nobody).toMatchObject({ sha256: 1, scrypt: 0 });
    expect(nobody.statements.length).toBeGreaterThan(2);
    expect(await refused(ask(idOf()), idOf())).toEqual(nobody);
  });
});

test("a sign-in with an unknown login is refused as one with a wrong password", async () => {
  const signIn = (login: string) => (options: Headers) =>
    fixture.identity.signIn({ clientId: "shop", login, password: wrong }, options);
  await refused(signIn("warm@example.test"), "");
  const unknown = await refused(signIn("nobody@example.test"), "nobody@example.test");
  expect(unknown.scrypt).toBe(1);
  expect(await refused(signIn(ada.login), ada.login)).toEqual(unknown);
});

test("in which clients nobody signs in is not told: those with a secret are as those that do not exist", async () => {
  const signIn = (clientId: string) => (options: Headers) =>
    fixture.identity.signIn({ clientId, login: ada.login, password: ada.password }, options);
  const nobody = await refused(signIn("nobody"), "nobody");
  for (const clientId of [known, "operator", "orders"]) expect(await refused(signIn(clientId), clientId)).toEqual(nobody);
});
