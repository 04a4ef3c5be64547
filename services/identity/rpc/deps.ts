// What the methods of identity stand on.
import type { Storage } from "#runtime/service.ts";
import type { IdentityTables } from "../store/tables.ts";
import type { AccessTokens } from "./access-tokens.ts";
import type { Clients } from "./authenticate.ts";
import type { ConfiguredClient } from "./configured-clients.ts";
import type { Passwords } from "./password.ts";

export interface IdentityDeps extends Storage<IdentityTables> {
  /** The installation's own tenant. */
  home: string;
  issuer: string;
  /** Under which private keys are stored. Read when it is needed first: a service is wired before its settings are there. */
  sealingKey: () => Buffer;
  configured: () => ReadonlyMap<string, ConfiguredClient>;
  clients: Clients;
  tokens: AccessTokens;
  passwords: Passwords;
}
