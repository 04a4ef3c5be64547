// Every RPC and every REST route is closed to whoever shows no token that opens it: by gRPC, by Connect and at the edge.
import { createGrpcTransport, createConnectTransport } from "@connectrpc/connect-node";
import { createClient, type Transport } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { IdentityService } from "#gen/ordermesh/identity/v1/identity_service_pb.ts";
import type { TokenOptions } from "#runtime/access/access.fixture.ts";
import { roles } from "#runtime/access/claims.ts";
import { newId } from "#runtime/ids.ts";
import { throwAwayIdentity } from "../../tools/operator.ts";
import { testMesh, type TestMesh } from "../support/mesh.ts";
import { until } from "../support/until.ts";
import { openForge, type Forge } from "./forge.ts";
import { askRest, callRpc, restRoutes, rpcs, type Answer, type Rpc } from "./surface.ts";

let mesh: TestMesh;
let forge: Forge;
let transports: Record<string, Transport>;
const revokedId = newId("tok");
const tried = { calls: 0 };

beforeAll(async () => {
  mesh = await testMesh();
  forge = await openForge(mesh);
  transports = {
    Connect: createConnectTransport({ baseUrl: mesh.rpcUrl, httpVersion: "2" }),
    gRPC: createGrpcTransport({ baseUrl: mesh.rpcUrl }),
  };
  const identity = createClient(IdentityService, createConnectTransport({ baseUrl: mesh.rpcUrl, httpVersion: "2" }));
  const token = await forge.sign({ claims: { jti: revokedId } });
  const clientSecret = throwAwayIdentity.ORDERMESH_OPERATOR_SECRET;
  await identity.revokeToken({ token, clientId: "operator", clientSecret });
});

afterAll(async () => {
  await mesh.close();
  console.log(`${tried.calls} calls of ${rpcs.length} RPCs and ${restRoutes.length} REST routes`);
});

/** A token that opens the method. */
function opening({ access }: Rpc, options: TokenOptions = {}): TokenOptions {
  const [role = "operator"] = access.roles;
  const claims = { roles: [role], scope: access.scopes.join(" "), ...options.claims };
  return { ...options, claims };
}

const unsigned = (token: string): string => {
  const [header = "", payload = ""] = token.split(".");
  const fields = JSON.parse(Buffer.from(header, "base64url").toString()) as object;
  return `${Buffer.from(JSON.stringify({ ...fields, alg: "none" })).toString("base64url")}.${payload}.`;
};

interface Attempt {
  name: string;
  token: (rpc: Rpc) => Promise<string | undefined>;
  reason: string;
  isForPublic: boolean;
}

const attempts: Attempt[] = [
  { name: "no token", token: async () => undefined, reason: "TOKEN_REQUIRED", isForPublic: false },
  { name: "a wrong signature", token: (rpc) => forge.signWithWrongKey(opening(rpc)), reason: "TOKEN_INVALID", isForPublic: true },
  {
    name: "alg none",
    token: async (rpc) => unsigned(await forge.sign(opening(rpc))),
    reason: "TOKEN_INVALID",
    isForPublic: true,
  },
  {
    name: "another audience",
    token: (rpc) => forge.sign(opening(rpc, { claims: { aud: "elsewhere" } })),
    reason: "TOKEN_INVALID",
    isForPublic: true,
  },
  {
    name: "a token that has expired",
    token: (rpc) => forge.sign(opening(rpc, { times: { iat: -700, nbf: -700, exp: -60 } })),
    reason: "TOKEN_EXPIRED",
    isForPublic: true,
  },
  {
    name: "a token whose time has not come",
    token: (rpc) => forge.sign(opening(rpc, { times: { nbf: 60 } })),
    reason: "TOKEN_INVALID",
    isForPublic: true,
  },
  {
    name: "a token that was revoked",
    token: (rpc) => forge.sign(opening(rpc, { claims: { jti: revokedId } })),
    reason: "TOKEN_REVOKED",
    isForPublic: true,
  },
  {
    name: "a token without a scope",
    token: (rpc) => forge.sign(opening(rpc, { claims: { scope: "other:thing" } })),
    reason: "SCOPE_REQUIRED",
    isForPublic: false,
  },
];

const isAuthentication = (reason: string): boolean => reason.startsWith("TOKEN_");

/** One protocol after the other: all together would be more calls than a process takes in hand. */
async function tryRpcs(attempt: Attempt, chosen: readonly Rpc[]): Promise<string[]> {
  const wrong: string[] = [];
  for (const [protocol, transport] of Object.entries(transports)) {
    const answers = chosen.map(async (rpc) => {
      tried.calls += 1;
      const { code, reason } = await callRpc(transport, rpc, await attempt.token(rpc));
      const expected = isAuthentication(attempt.reason) ? "Unauthenticated" : "PermissionDenied";
      return code === expected && reason === attempt.reason ? [] : [`${rpc.name} by ${protocol}: ${code} ${reason}`];
    });
    wrong.push(...(await Promise.all(answers)).flat());
  }
  return wrong;
}

async function tryRest(attempt: Attempt, chosen: typeof restRoutes): Promise<string[]> {
  const challengeOf = ({ reason }: Attempt): RegExp =>
    reason === "TOKEN_REQUIRED"
      ? /^Bearer$/
      : reason === "SCOPE_REQUIRED"
        ? /error="insufficient_scope"/
        : /error="invalid_token"/;
  const answers = chosen.map(async (route) => {
    tried.calls += 1;
    const answer = await askRest(mesh.edgeUrl, route, await attempt.token(route));
    const isRight =
      answer.code === (isAuthentication(attempt.reason) ? "401" : "403") &&
      answer.reason === attempt.reason &&
      challengeOf(attempt).test(answer.challenge);
    return isRight ? [] : [`${route.httpMethod} ${route.path}: ${JSON.stringify(answer)}`];
  });
  return (await Promise.all(answers)).flat();
}

describe.each(attempts)("with $name", (attempt) => {
  const isMeant = ({ access }: Rpc): boolean =>
    (attempt.isForPublic || !access.isPublic) && (attempt.reason !== "SCOPE_REQUIRED" || access.scopes.length > 0);

  test(`every RPC answers ${attempt.reason}`, async () => {
    expect(await tryRpcs(attempt, rpcs.filter(isMeant))).toEqual([]);
  });

  test(`every REST route answers ${attempt.reason}`, async () => {
    expect(await tryRest(attempt, restRoutes.filter(isMeant))).toEqual([]);
  });
});

test.each(roles)("the role %s opens nothing that is not declared for it", async (role) => {
  const closed = ({ access }: Rpc): boolean => !access.isPublic && !access.roles.has(role);
  const attempt: Attempt = {
    name: role,
    token: (rpc) => forge.sign({ claims: { roles: [role], scope: rpc.access.scopes.join(" ") } }),
    reason: "ROLE_REQUIRED",
    isForPublic: false,
  };
  expect(await tryRpcs(attempt, rpcs.filter(closed))).toEqual([]);
  const answers = await Promise.all(
    restRoutes
      .filter(closed)
      .map(async (route) => ({ route, answer: await askRest(mesh.edgeUrl, route, await attempt.token(route)) })),
  );
  tried.calls += answers.length;
  const wrong = answers.filter(({ answer }) => answer.code !== "403" || answer.reason !== "ROLE_REQUIRED");
  expect(wrong.map(({ route, answer }) => `${route.path}: ${answer.code} ${answer.reason}`)).toEqual([]);
});

test("a good token opens every RPC that is declared for it, and what is public needs none", async () => {
  const connect = transports["Connect"] as Transport;
  const isRefused = ({ reason }: Answer): boolean =>
    isAuthentication(reason) || ["ROLE_REQUIRED", "SCOPE_REQUIRED"].includes(reason);
  const answers = rpcs.map(async (rpc) => {
    tried.calls += 1;
    const answer = await callRpc(connect, rpc, rpc.access.isPublic ? undefined : await forge.sign(opening(rpc)));
    return isRefused(answer) ? [`${rpc.name}: ${answer.reason}`] : [];
  });
  expect((await Promise.all(answers)).flat()).toEqual([]);
});

test("every method that is not public names a scope, so that a client can be given less than everything", () => {
  // A ticket opens what the token opens, whose scopes are asked for there.
  const givesNothing = ["IdentityService/CreateStreamTicket"];
  const closed = rpcs.filter(({ name }) => !givesNothing.includes(name));
  const open = closed.filter(({ access }) => !access.isPublic && access.scopes.length === 0);
  expect(open.map(({ name }) => name)).toEqual([]);
});

test("a token is refused everywhere within a second of being revoked", async () => {
  const jti = newId("tok");
  const token = await forge.sign({ claims: { jti, scope: "orders:read" } });
  const list = rpcs.find(({ name }) => name === "OrdersService/ListOrders")!;
  const connect = transports["Connect"] as Transport;
  expect((await callRpc(connect, list, token)).code).toBe("ok");
  const identity = createClient(IdentityService, connect);
  await identity.revokeToken({ token, clientId: "operator", clientSecret: throwAwayIdentity.ORDERMESH_OPERATOR_SECRET });
  const startedMs = performance.now();
  await until(async () => (await callRpc(connect, list, token)).reason === "TOKEN_REVOKED");
  console.log(`refused ${(performance.now() - startedMs).toFixed(0)} ms after it was revoked`);
});
