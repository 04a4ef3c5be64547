// The client library that most programs use, unchanged: it finds the server by itself and goes on from there.
import * as client from "openid-client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { identityWorld, type IdentityWorld } from "./world.ts";

let world: IdentityWorld;
beforeAll(async () => {
  world = await identityWorld();
});
afterAll(() => world?.close());

const insecure: client.DiscoveryRequestOptions = { algorithm: "oauth2", execute: [client.allowInsecureRequests] };

function discover(clientId: string, auth: client.ClientAuth): Promise<client.Configuration> {
  return client.discovery(new URL(world.issuer), clientId, undefined, auth, insecure);
}

const errorOf = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => "no error",
    (error: unknown) => (error instanceof client.ResponseBodyError ? error.error : error),
  );

test("openid-client: a client gets a token, looks at it and takes it back", async () => {
  const { clientId, clientSecret } = await world.newClient();
  const config = await discover(clientId, client.ClientSecretBasic(clientSecret));
  const { access_token: token, scope } = await client.clientCredentialsGrant(config, { scope: "orders:read" });
  expect(scope).toBe("orders:read");
  expect(await client.tokenIntrospection(config, token)).toMatchObject({ active: true, sub: clientId, scope: "orders:read" });
  await client.tokenRevocation(config, token);
  expect(await client.tokenIntrospection(config, token)).toEqual({ active: false });
});

test("openid-client: a session is refreshed, and ends where an old token is used", async () => {
  const config = await discover("shop", client.None());
  const first = await world.signIn();
  const second = await client.refreshTokenGrant(config, first.refresh_token);
  const third = await client.refreshTokenGrant(config, second.refresh_token ?? "");
  expect(await errorOf(client.refreshTokenGrant(config, first.refresh_token))).toBe("invalid_grant");
  expect(await errorOf(client.refreshTokenGrant(config, third.refresh_token ?? ""))).toBe("invalid_grant");
});

test("openid-client: a wrong secret and a wrong scope are told as such", async () => {
  const { clientId, clientSecret } = await world.newClient(["orders:read"]);
  const wrong = await discover(clientId, client.ClientSecretPost("wrong"));
  expect(await errorOf(client.clientCredentialsGrant(wrong))).toBe("invalid_client");
  const right = await discover(clientId, client.ClientSecretPost(clientSecret));
  expect(await errorOf(client.clientCredentialsGrant(right, { scope: "orders:write" }))).toBe("invalid_scope");
});
