// The keys by which tokens are verified: asked of identity when a token names one that is not known, and kept.
import { importJWK, type CryptoKey } from "jose";
import type { JsonWebKey } from "#gen/ordermesh/identity/v1/keys_service_pb.ts";
import { tokenAlgorithm } from "./claims.ts";

/** Then identity is asked again, and what it no longer lists is no longer taken; unless it is away. Milliseconds. */
const keptMsMax = 300_000;
/** Tokens with ids of keys that nobody has must not become as many questions. Milliseconds. */
const askEveryMs = 1_000;

export interface Keys {
  /** Undefined where identity has no such key. Rejects where identity must be asked and cannot be. */
  find(keyId: string): Promise<CryptoKey | undefined>;
}

export function createKeys(list: () => Promise<readonly JsonWebKey[]>): Keys {
  let keys = new Map<string, CryptoKey>();
  let askedMs = Number.NEGATIVE_INFINITY;
  let asking: Promise<void> | undefined;
  const ask = (): Promise<void> => {
    asking ??= load(list)
      .then((loaded) => {
        keys = loaded;
        askedMs = performance.now();
      })
      .finally(() => {
        asking = undefined;
      });
    return asking;
  };
  return {
    find: async (keyId) => {
      const ageMs = performance.now() - askedMs;
      const known = keys.get(keyId);
      if (!known && ageMs > askEveryMs) await ask();
      // While identity is away the keys that it had are better than none.
      else if (ageMs > keptMsMax) ask().catch(() => {});
      return keys.get(keyId) ?? known;
    },
  };
}

async function load(list: () => Promise<readonly JsonWebKey[]>): Promise<Map<string, CryptoKey>> {
  const ours = (await list()).filter(({ alg }) => alg === tokenAlgorithm);
  const imported = ours.map(async ({ kid, kty, crv, x, y }): Promise<[string, CryptoKey]> => {
    const key = await importJWK({ kty, crv, x, y }, tokenAlgorithm);
    if (!(key instanceof CryptoKey)) throw new Error(`key ${kid} is no public key`);
    return [kid, key];
  });
  return new Map(await Promise.all(imported));
}
