// How a service that is tested without the mesh finds the identity that the whole run shares.
import { inject } from "vitest";
import { throwAwayIdentity } from "../../tools/operator.ts";

/** Settings of a process whose services call others over the network, or are called. */
export const sharedIdentity = (): Record<string, string> => ({
  ...throwAwayIdentity,
  ORDERMESH_IDENTITY_URL: inject("identityUrl"),
});
