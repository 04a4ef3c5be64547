// Who a client is, and whether it proves it (RFC 6749, section 2.3).
import { timingSafeEqual } from "node:crypto";
import type { Transaction } from "kysely";
import type { Client } from "../domain/client.ts";
import { findClient, hasSecret } from "../store/clients.ts";
import { hashSecret } from "../store/secret-hash.ts";
import type { IdentityTables } from "../store/tables.ts";
import type { ConfiguredClient } from "./configured-clients.ts";
import { invalidClient, unauthorizedClient } from "./refusals.ts";

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
    authenticate: async (tx, { clientId, clientSecret }, now) => {
      const secretHash = hashSecret(clientSecret);
      const ours = configured().get(clientId);
      if (ours) {
        if (timingSafeEqual(ours.secretHash, secretHash)) return ours.client;
        throw invalidClient();
      }
      const client = await findClient(tx, clientId);
      if (!client) throw invalidClient();
      const isProved = client.isPublic ? clientSecret === "" : await hasSecret(tx, { clientId, secretHash, now });
      if (!isProved) throw invalidClient();
      return opened(client);
    },
    publicClient: async (tx, clientId) => {
      const found = await findClient(tx, clientId);
      const client = configured().get(clientId)?.client ?? found;
      if (!client) throw invalidClient();
      if (!client.isPublic || !found) throw unauthorizedClient("this is for public clients, in which customers sign in");
      return opened(found);
    },
  };
}

/** Told only to who has proved itself, or has nothing to prove. */
function opened({ isTenantDisabled, ...client }: Client & { isTenantDisabled: boolean }): Client {
  if (isTenantDisabled) throw unauthorizedClient("the shop of this client is shut");
  return client;
}
