// A client library that checks what it gets by the RFCs, unchanged, against the whole mesh.
import * as oauth from "oauth4webapi";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { identityWorld, operator, type IdentityWorld } from "./world.ts";

/** It would talk to nothing but HTTPS. */
const insecure = { [oauth.allowInsecureRequests]: true };

let world: IdentityWorld;
let server: oauth.AuthorizationServer;
beforeAll(async () => {
  world = await identityWorld();
  const issuer = new URL(world.issuer);
  server = await oauth.processDiscoveryResponse(
    issuer,
    await oauth.discoveryRequest(issuer, { ...insecure, algorithm: "oauth2" }),
  );
});
afterAll(() => world?.close());

const post = oauth.ClientSecretPost;
const basic = oauth.ClientSecretBasic;
const shop: oauth.Client = { client_id: "shop" };

async function clientCredentials(
  { clientId, clientSecret }: { clientId: string; clientSecret: string },
  authOf: (secret: string) => oauth.ClientAuth,
  parameters: Record<string, string> = {},
): Promise<oauth.TokenEndpointResponse> {
  const client = { client_id: clientId };
  const asked = oauth.clientCredentialsGrantRequest(server, client, authOf(clientSecret), parameters, insecure);
  return oauth.processClientCredentialsResponse(server, client, await asked);
}

async function refresh(refreshToken: string): Promise<oauth.TokenEndpointResponse> {
  const asked = oauth.refreshTokenGrantRequest(server, shop, oauth.None(), refreshToken, insecure);
  return oauth.processRefreshTokenResponse(server, shop, await asked);
}

async function introspect(token: string): Promise<oauth.IntrospectionResponse> {
  const client = { client_id: operator.clientId };
  const asked = oauth.introspectionRequest(server, client, basic(operator.clientSecret), token, insecure);
  return oauth.processIntrospectionResponse(server, client, await asked);
}

async function revoke(token: string): Promise<void> {
  await oauth.processRevocationResponse(await oauth.revocationRequest(server, shop, oauth.None(), token, insecure));
}

/** By the rules of RFC 9068, with the keys that the edge publishes. */
function validate(accessToken: string | undefined): Promise<oauth.JWTAccessTokenClaims> {
  const request = new Request(world.issuer, { headers: { authorization: `Bearer ${accessToken}` } });
  return oauth.validateJwtAccessToken(server, request, "ordermesh", insecure);
}

const errorOf = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => "no error",
    (error: unknown) => {
      if (error instanceof oauth.ResponseBodyError) return { status: error.status, error: error.error };
      // What is answered with a challenge is told as one.
      if (error instanceof oauth.WWWAuthenticateChallengeError) return { status: error.status, scheme: error.cause[0]?.scheme };
      throw error;
    },
  );

describe("RFC 8414", () => {
  test("the metadata is found by the issuer, and names every endpoint", () => {
    expect(server).toMatchObject({
      issuer: world.issuer,
      token_endpoint: `${world.issuer}/oauth/token`,
      revocation_endpoint: `${world.issuer}/oauth/revoke`,
      introspection_endpoint: `${world.issuer}/oauth/introspect`,
      jwks_uri: `${world.issuer}/.well-known/jwks.json`,
      grant_types_supported: ["client_credentials", "refresh_token"],
      response_types_supported: [],
      token_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post", "none"],
    });
  });
});

describe("client credentials", () => {
  test.each([
    ["client_secret_basic", basic],
    ["client_secret_post", post],
  ])("by %s give a token that holds by RFC 9068", async (_name, authOf) => {
    const client = await world.newClient();
    const answer = await clientCredentials(client, authOf);
    expect(answer).toMatchObject({ token_type: "bearer", expires_in: 600, scope: "orders:read orders:write" });
    expect(answer.refresh_token).toBeUndefined();
    expect(await validate(answer.access_token)).toMatchObject({
      sub: client.clientId,
      client_id: client.clientId,
      tenant: "demo",
    });
  });

  test("a scope narrows the token, and one that the client has not is invalid_scope", async () => {
    const client = await world.newClient();
    expect(await clientCredentials(client, post, { scope: "orders:read" })).toMatchObject({ scope: "orders:read" });
    const wrong = clientCredentials(client, post, { scope: "payments:write" });
    expect(await errorOf(wrong)).toEqual({ status: 400, error: "invalid_scope" });
  });

  test("a wrong secret is invalid_client, with a challenge where Basic was used", async () => {
    const { clientId } = await world.newClient();
    const wrong = { clientId, clientSecret: "wrong" };
    expect(await errorOf(clientCredentials(wrong, post))).toEqual({ status: 400, error: "invalid_client" });
    expect(await errorOf(clientCredentials(wrong, basic))).toEqual({ status: 401, scheme: "basic" });
  });

  test("a public client is unauthorized_client", async () => {
    const asked = await oauth.clientCredentialsGrantRequest(server, shop, oauth.None(), {}, insecure);
    const answered = oauth.processClientCredentialsResponse(server, shop, asked);
    expect(await errorOf(answered)).toEqual({ status: 400, error: "unauthorized_client" });
  });

  test("another grant type is unsupported_grant_type", async () => {
    const parameters = { username: "ada", password: "x" };
    const asked = await oauth.genericTokenEndpointRequest(server, shop, oauth.None(), "password", parameters, insecure);
    const answered = oauth.processGenericTokenEndpointResponse(server, shop, asked);
    expect(await errorOf(answered)).toEqual({ status: 400, error: "unsupported_grant_type" });
  });
});

describe("sessions", () => {
  test("a refresh gives a new refresh token, and the access token holds", async () => {
    const first = await world.signIn();
    const second = await refresh(first.refresh_token);
    expect(second.refresh_token).not.toBe(first.refresh_token);
    expect(await validate(second.access_token)).toMatchObject({ sub: "ada", client_id: "shop" });
  });

  test("a refresh token that is used again is invalid_grant, and so is its successor", async () => {
    const first = await world.signIn();
    const second = await refresh(first.refresh_token);
    expect(await errorOf(refresh(first.refresh_token))).toEqual({ status: 400, error: "invalid_grant" });
    expect(await errorOf(refresh(second.refresh_token ?? ""))).toEqual({ status: 400, error: "invalid_grant" });
    expect(await introspect(second.access_token)).toEqual({ active: false });
  });
});

describe("revocation and introspection", () => {
  test("introspection says what a token says, until it is revoked", async () => {
    const { access_token: accessToken, refresh_token: refreshToken } = await world.signIn();
    const claims = await validate(accessToken);
    const { sub, exp, iat, jti, iss, aud } = claims;
    const seen = { active: true, sub, exp, iat, jti, iss, aud, client_id: "shop", token_type: "Bearer" };
    expect(await introspect(accessToken)).toMatchObject(seen);
    await revoke(accessToken);
    expect(await introspect(accessToken)).toEqual({ active: false });
    expect(await introspect(refreshToken)).toMatchObject({ active: true, sub: "ada" });
  });

  test("revoking a refresh token ends the session", async () => {
    const { access_token: accessToken, refresh_token: refreshToken } = await world.signIn();
    await revoke(refreshToken);
    expect(await introspect(accessToken)).toEqual({ active: false });
    expect(await errorOf(refresh(refreshToken))).toEqual({ status: 400, error: "invalid_grant" });
  });

  test("a token that is none is revoked without an error, and is not active", async () => {
    await revoke("omr_guessed");
    expect(await introspect("omr_guessed")).toEqual({ active: false });
  });

  test("introspection is for clients that can prove themselves", async () => {
    const asked = await oauth.introspectionRequest(server, shop, oauth.None(), "x", insecure);
    expect(await errorOf(oauth.processIntrospectionResponse(server, shop, asked))).toMatchObject({ error: "invalid_client" });
  });
});
