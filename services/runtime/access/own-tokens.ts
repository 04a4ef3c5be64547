// What a service shows to services of other processes where it acts for itself: a token by its own client credentials.
import { createClient, type Transport } from "@connectrpc/connect";
import { LRUCache } from "lru-cache";
import { IdentityService } from "#gen/ordermesh/identity/v1/identity_service_pb.ts";

/** Shops whose tokens are kept. */
const rememberedMax = 1_000;
/** While so much of its time is left, or more, a token is used and no new one asked for. Milliseconds. */
const renewBeforeMs = 120_000;
/** With less left it might end on its way. Milliseconds. */
const leftMsMin = 10_000;

interface OwnToken {
  text: string;
  endMs: number;
}

/** A token of the service for a shop; empty for none. Rejects where there is none and identity cannot be reached. */
export type OwnTokens = (tenant: string) => Promise<string>;

export function createOwnTokens(options: { transport: Transport; clientId: string; clientSecret: () => string }): OwnTokens {
  const { clientId, clientSecret } = options;
  const identity = createClient(IdentityService, options.transport);
  const tokens = new LRUCache<string, OwnToken>({ max: rememberedMax });
  const asking = new Map<string, Promise<OwnToken>>();

  const ask = async (tenant: string): Promise<OwnToken> => {
    const askedMs = performance.now();
    const answer = await identity.issueToken({ grantType: "client_credentials", clientId, clientSecret: clientSecret(), tenant });
    const token = { text: answer.accessToken, endMs: askedMs + answer.expiresIn * 1_000 };
    tokens.set(tenant, token);
    return token;
  };
  /** Whoever needs the same one meanwhile waits for the same answer. */
  const askOnce = (tenant: string): Promise<OwnToken> => {
    const pending = asking.get(tenant) ?? ask(tenant).finally(() => asking.delete(tenant));
    asking.set(tenant, pending);
    return pending;
  };
  return async (tenant) => {
    const known = tokens.get(tenant);
    const leftMs = (known?.endMs ?? 0) - performance.now();
    if (!known || leftMs < leftMsMin) return (await askOnce(tenant)).text;
    // The old one serves until the new one is there, also while identity is away.
    if (leftMs < renewBeforeMs) askOnce(tenant).catch(() => {});
    return known.text;
  };
}
