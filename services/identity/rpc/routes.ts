// What identity offers to callers.
import type { ConnectRouter } from "@connectrpc/connect";
import { AdminService } from "#gen/ordermesh/identity/v1/admin_service_pb.ts";
import { IdentityService } from "#gen/ordermesh/identity/v1/identity_service_pb.ts";
import { KeysService } from "#gen/ordermesh/identity/v1/keys_service_pb.ts";
import { TenantService } from "#gen/ordermesh/identity/v1/tenant_service_pb.ts";
import { installationOnly } from "#runtime/access/installation-only.ts";
import { adminMethods, keyRotation } from "./admin.ts";
import type { IdentityDeps } from "./deps.ts";
import { introspectMethod, revokeMethod } from "./given-tokens.ts";
import { tokenIssuer } from "./issue-token.ts";
import { keysMethods, preparation } from "./keys.ts";
import { serverMetadata } from "./metadata.ts";
import { createTicketMethod, redeemTicketMethod } from "./stream-tickets.ts";
import { tenantMethods } from "./tenants.ts";
import { changePasswordMethod, registerMethod, signInMethod } from "./sign-in.ts";

export function identityRoutes(deps: IdentityDeps): (router: ConnectRouter) => void {
  const prepared = preparation(deps);
  /** Whatever gives or reads tokens needs a key. */
  const withKeys =
    <Request, Answer>(method: (request: Request) => Promise<Answer>) =>
    async (request: Request): Promise<Answer> => {
      await prepared();
      return method(request);
    };
  const ofAllShops = installationOnly({ ...tenantMethods(deps), ...keyRotation(deps) }, deps.home);
  return (router) => {
    router.service(KeysService, keysMethods(deps, prepared));
    router.service(AdminService, { ...adminMethods(deps, prepared), rotateKeys: ofAllShops.rotateKeys });
    router.service(TenantService, ofAllShops);
    router.service(IdentityService, {
      issueToken: withKeys(tokenIssuer(deps)),
      signIn: withKeys(signInMethod(deps)),
      registerAccount: withKeys(registerMethod(deps)),
      changePassword: withKeys(changePasswordMethod(deps)),
      revokeToken: withKeys(revokeMethod(deps)),
      introspectToken: withKeys(introspectMethod(deps)),
      createStreamTicket: createTicketMethod(deps),
      redeemStreamTicket: withKeys(redeemTicketMethod(deps)),
      getServerMetadata: () => Promise.resolve(serverMetadata(deps.issuer)),
    });
  };
}
