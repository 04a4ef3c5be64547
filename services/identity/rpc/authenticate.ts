// Who a client is, and whether it proves it (RFC 6749, section 2.3).
import { timingSafeEqual } from "node:crypto";
import type { Transaction } from "kysely";
import type { Client } from "../domain/client.ts";
import { findClient, hasSecret } from "../store/clients.ts";
import { hashSecret } from "../store/secret-hash.ts";
import type { IdentityTables } from "../store/tables.ts";
import type { ConfiguredClient } from "./configured-clients.ts";
import { invalidClient, unauthorizedClient } from "./refusals.ts";

/** Of no secret: no hash has nothing but zeros, but by a chance of one in 2^256. */
const noSecretHash = Buffer.alloc(32);

export interface Credentials {
  clientId: string;
  clientSecret: string;
}

export interface Clients {
  /** The client that has proved itself; a public one says who it is and nothing more. */
  authenticate(tx: Transaction<IdentityTables>, credentials: Credentials, now: Date): Promise<Client>;
  /** A public client, in which people sign in. */
  publicClient(tx: Transaction<IdentityTables>, clientId: string): Promise<Client>;
}

export function createClients(configured: () => ReadonlyMap<string, ConfiguredClient>): Clients {
  return {
    // The same is asked of the database whoever it is: the time that a refusal takes does not tell which clients there are.
    authenticate: async (tx, { clientId, clientSecret }, now) => {
      const secretHash = hashSecret(clientSecret);
      const [stored, isStored] = await Promise.all([findClient(tx, clientId), hasSecret(tx, { clientId, secretHash, now })]);
      const ours = configured().get(clientId);
      const isOurs = timingSafeEqual(ours?.secretHash ?? noSecretHash, secretHash);
      const isProved = ours ? isOurs : stored?.isPublic ? clientSecret === "" : isStored;
      if (!isProved) throw invalidClient();
      if (ours) return ours.client;
      if (!stored) throw invalidClient();
      return opened(stored);
    },
    // Also of a client with a secret nobody learns here that there is one.
    publicClient: async (tx, clientId) => {
      const stored = await findClient(tx, clientId);
      const client = configured().get(clientId)?.client ?? stored;
      if (!stored || !client?.isPublic) throw invalidClient();
      return opened(stored);
    },
  };
}

/** Told only to who has proved itself, or has nothing to prove. */
function opened({ isTenantDisabled, ...client }: Client & { isTenantDisabled: boolean }): Client {
  if (isTenantDisabled) throw unauthorizedClient("the shop of this client is shut");
  return client;
}
