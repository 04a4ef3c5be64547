// How a service that is tested without the mesh finds the identity that the whole run shares.
import type { Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { inject } from "vitest";
import { clientSecretOf } from "#runtime/access/settings.ts";
import { bearer } from "../../tools/bearer.ts";
import { clientTokens, throwAwayIdentity } from "../../tools/operator.ts";

/** Settings of a process whose services call others over the network, or are called. */
export const sharedIdentity = (): Record<string, string> => ({
  ...throwAwayIdentity,
  ORDERMESH_IDENTITY_URL: inject("identityUrl"),
});

/** The way to a service of the run as another service has it. */
export function serviceTransport(rpcUrl: string): Transport {
  const [clientId, rpcOfIdentity] = ["operations", inject("identityUrl")];
  const token = clientTokens({ rpcUrl: rpcOfIdentity, clientId, clientSecret: clientSecretOf(clientId, throwAwayIdentity) });
  return createConnectTransport({ baseUrl: rpcUrl, httpVersion: "2", interceptors: [bearer(token)] });
}
