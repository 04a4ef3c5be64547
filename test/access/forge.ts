// Tokens as identity would sign them, with its own key, and as it never would: for what no honest client can show.
import pg from "pg";
import { importPKCS8 } from "jose";
import { signToken, testKey, type TokenOptions } from "#runtime/access/access.fixture.ts";
import { tokenAlgorithm } from "#runtime/access/claims.ts";
import { keyFor } from "#runtime/access/settings.ts";
import { openSealedKey } from "../../services/identity/store/sealed-key.ts";
import { throwAwayIdentity } from "../../tools/operator.ts";
import type { TestMesh } from "../support/mesh.ts";

export interface Forge {
  /** An operator's of the shop "demo" with every scope that it needs, where nothing else is asked for. */
  sign(options?: TokenOptions): Promise<string>;
  /** The same by a key that nobody knows, under the name of ours. */
  signWithWrongKey(options?: TokenOptions): Promise<string>;
}

const operator = { sub: "operator", client_id: "operator", sid: undefined, roles: ["operator"] };

export async function openForge(mesh: Pick<TestMesh, "edgeUrl" | "databaseUrl">): Promise<Forge> {
  const issuer = (await (await fetch(`${mesh.edgeUrl}/.well-known/oauth-authorization-server`)).json()) as { issuer: string };
  const { keyId, pkcs8 } = await readSigningKey(mesh.databaseUrl);
  const stranger = await testKey(keyId);
  const own = { ...stranger, privateKey: await importPKCS8(pkcs8, tokenAlgorithm) };
  const withDefaults = ({ claims = {}, ...rest }: TokenOptions): TokenOptions => ({
    ...rest,
    claims: { iss: issuer.issuer, ...operator, ...claims },
  });
  return {
    sign: (options = {}) => signToken(own, withDefaults(options)),
    signWithWrongKey: (options = {}) => signToken(stranger, withDefaults(options)),
  };
}

async function readSigningKey(databaseUrl: string): Promise<{ keyId: string; pkcs8: string }> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ keyId: string; sealed: Buffer }>(
      `select key_id as "keyId", private_sealed as sealed from identity.signing_key where sign_time <= now()
       order by sign_time desc limit 1`,
    );
    const [row] = rows;
    const key = row && openSealedKey(keyFor("signing keys", throwAwayIdentity), row.keyId, row.sealed);
    if (!key) throw new Error("identity has no key that can be opened");
    return { keyId: row.keyId, pkcs8: key.export({ format: "pem", type: "pkcs8" }) as string };
  } finally {
    await client.end();
  }
}
