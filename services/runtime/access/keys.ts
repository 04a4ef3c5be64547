// The keys by which tokens are verified: asked of identity when a token names one that is not known, and kept.
import { importJWK, type CryptoKey } from "jose";
import type { JsonWebKey } from "#gen/ordermesh/identity/v1/keys_service_pb.ts";
import { tokenAlgorithm } from "./claims.ts";

/** Then identity is asked again, and what it no longer lists is no longer taken; unless it is away. Milliseconds. */
const keptMsMax = 300_000;
/**
 * Tokens with ids of keys that nobody has must not become as many questions, also while none is answered. A key that is new is
 * known before it signs, as it is published for longer than keys are kept. Milliseconds.
 */
const askEveryMs = 1_000;

export interface Keys {
  /** Undefined where identity has no such key. Rejects where identity must be asked and cannot be, or could not a moment ago. */
  find(keyId: string): Promise<CryptoKey | undefined>;
}

export function createKeys(list: () => Promise<readonly JsonWebKey[]>): Keys {
  let keys = new Map<string, CryptoKey>();
  let readMs = Number.NEGATIVE_INFINITY;
  let triedMs = Number.NEGATIVE_INFINITY;
  /** How the last question was answered, or is to be. */
  let last: Promise<void> = Promise.resolve();
  let isAsking = false;
  const ask = async (): Promise<void> => {
    keys = await load(list);
    readMs = performance.now();
  };
  /** Asks, or says what came of the question that is a moment old. */
  const refresh = (): Promise<void> => {
    if (performance.now() - triedMs < askEveryMs || isAsking) return last;
    triedMs = performance.now();
    isAsking = true;
    last = ask().finally(() => {
      isAsking = false;
    });
    return last;
  };
  return {
    find: async (keyId) => {
      const known = keys.get(keyId);
      if (!known) await refresh();
      // While identity is away the keys that it had are better than none.
      else if (performance.now() - readMs > keptMsMax) refresh().catch(() => {});
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
