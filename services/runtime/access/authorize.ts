// May this caller call this method, and for whom.
import { Code, type ConnectError } from "@connectrpc/connect";
import { refuse } from "../errors.ts";
import { currentRequest } from "../request-context.ts";
import { isOnlyCustomer, type Caller } from "./caller.ts";
import type { MethodAccess } from "./method-access.ts";

/** True where the contract opens the method to the caller. */
export function mayCall(access: MethodAccess, caller: Caller | undefined): boolean {
  if (access.isPublic) return true;
  return (
    caller !== undefined && caller.roles.some((role) => access.roles.has(role)) && missingScopes(access, caller).length === 0
  );
}

/**
 * Refuses whom the contract does not let in.
 *
 * @throws ConnectError UNAUTHENTICATED with TOKEN_REQUIRED; PERMISSION_DENIED with ROLE_REQUIRED or SCOPE_REQUIRED, which
 *   tell what would be needed. The headers are those of RFC 6750, section 3.
 */
export function assertMayCall(access: MethodAccess, caller: Caller | undefined): void {
  if (access.isPublic) return;
  if (!caller) throw unauthenticated("TOKEN_REQUIRED", "send an access token: Authorization: Bearer <token>");
  if (!caller.roles.some((role) => access.roles.has(role))) {
    const roles = [...access.roles].join(", ");
    throw refuse(Code.PermissionDenied, "ROLE_REQUIRED", `this is for the roles ${roles}`, { roles });
  }
  const missing = missingScopes(access, caller);
  if (missing.length === 0) return;
  const scopes = missing.join(" ");
  const refusal = refuse(Code.PermissionDenied, "SCOPE_REQUIRED", `the token lacks the scope ${scopes}`, { scopes });
  refusal.metadata.set("www-authenticate", `Bearer error="insufficient_scope", scope="${access.scopes.join(" ")}"`);
  throw refusal;
}

function missingScopes({ scopes }: MethodAccess, caller: Caller): string[] {
  const carried = caller.scopes;
  return carried === "all" ? [] : scopes.filter((scope) => !carried.has(scope));
}

/** UNAUTHENTICATED, with the challenge that tells a client what was wrong with its token. */
export function unauthenticated(reason: string, message: string): ConnectError {
  const refusal = refuse(Code.Unauthenticated, reason, message);
  const wasShown = reason !== "TOKEN_REQUIRED";
  refusal.metadata.set("www-authenticate", wasShown ? `Bearer error="invalid_token", error_description="${message}"` : "Bearer");
  return refusal;
}

/**
 * Keeps a customer to itself: where the request names another's it is refused, and where it names none it means the caller.
 *
 * @throws ConnectError PERMISSION_DENIED with NOT_YOURS.
 */
export function keepToOwner({ ownerField }: MethodAccess, caller: Caller | undefined, message: object): void {
  if (ownerField === undefined || !caller || !isOnlyCustomer(caller)) return;
  const request = message as Record<string, unknown>;
  if (request[ownerField] === "") request[ownerField] = caller.subject;
  if (request[ownerField] === caller.subject) return;
  throw refuse(Code.PermissionDenied, "NOT_YOURS", "a customer may only ask for itself", { field: ownerField });
}

/**
 * True where what belongs to the customer is not for this caller to see. The answer must then be as if it did not exist: that it
 * does is nobody else's to know.
 */
export function isAnothers(customerId: string): boolean {
  const { caller } = currentRequest();
  return caller !== undefined && isOnlyCustomer(caller) && caller.subject !== customerId;
}

/**
 * Who acts, as histories name it: the subject of the token, whatever the request says of it. Throws outside a call of somebody,
 * which no method that asks for a role is.
 */
export function actingSubject(): string {
  const { caller } = currentRequest();
  if (!caller) throw new Error("nobody acts: this is not the call of a caller with a role");
  return caller.subject;
}
