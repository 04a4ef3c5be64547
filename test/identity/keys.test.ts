// Keys as other programs see them: by the published set, with jose, which keeps what it has read.
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from "jose";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AdminService } from "#gen/ordermesh/identity/v1/admin_service_pb.ts";
import { until } from "../support/until.ts";
import { identityWorld, operatorToken, type IdentityWorld } from "./world.ts";

let world: IdentityWorld;
let sql: pg.Client;
beforeAll(async () => {
  world = await identityWorld();
  sql = new pg.Client({ connectionString: world.mesh.databaseUrl });
  await sql.connect();
});
afterAll(async () => {
  await sql?.end();
  await world?.close();
});

const keysUrl = (): URL => new URL(`${world.issuer}/.well-known/jwks.json`);
/** One that reads the keys once, and never again while the test runs. */
const verifier = () => createRemoteJWKSet(keysUrl(), { cacheMaxAge: 3_600_000, cooldownDuration: 3_600_000 });
type Verifier = ReturnType<typeof verifier>;

const verify = (token: string, keys: Verifier) =>
  jwtVerify(token, keys, { issuer: world.issuer, audience: "ordermesh", typ: "at+jwt", algorithms: ["ES256"] });
const kidOf = (token: string): string | undefined => decodeProtectedHeader(token).kid;

async function published(): Promise<(string | undefined)[]> {
  const { keys } = (await (await fetch(keysUrl())).json()) as { keys: { kid?: string }[] };
  return keys.map(({ kid }) => kid);
}

/** As if all keys were older, which is what waiting would do. */
const age = (seconds: number) =>
  sql.query(
    `update identity.signing_key
     set create_time = create_time - make_interval(secs => $1), sign_time = sign_time - make_interval(secs => $1)`,
    [seconds],
  );

test("a rotation that nobody notices: who reads the new key early verifies its tokens, and the old tokens too", async () => {
  const old = await operatorToken(world.issuer);
  const { keyId } = await world.mesh.client(AdminService).rotateKeys({}, await world.asOperator());
  expect(await published()).toEqual([keyId, kidOf(old)]);
  const keys = verifier();
  await verify(old, keys);

  await age(599);
  expect(kidOf(await operatorToken(world.issuer))).toBe(kidOf(old));
  await age(2);
  const fresh = await until(async () => {
    const token = await operatorToken(world.issuer);
    return kidOf(token) === keyId ? token : "";
  });
  // Without another look at the published keys.
  await verify(fresh, keys);
  await verify(old, keys);
  await verify(old, verifier());

  await age(662);
  expect(await published()).toEqual([keyId]);
  await verify(fresh, verifier());
  await expect(verify(old, verifier())).rejects.toThrow("no applicable key found");
});

test("the published keys are public: an id, a curve, two coordinates", async () => {
  const { keys } = (await (await fetch(keysUrl())).json()) as { keys: object[] };
  expect(keys.length).toBeGreaterThan(0);
  for (const key of keys) expect(Object.keys(key).toSorted()).toEqual(["alg", "crv", "kid", "kty", "use", "x", "y"]);
});
