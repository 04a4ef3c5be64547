// Scopes (RFC 6749, section 3.3): what a client may ask for, and what it gets.

const areas = [
  "catalog",
  "inventory",
  "orders",
  "payments",
  "fraud",
  "shipping",
  "operations",
  "identity",
  "delivery",
  "auditlog",
  "customers",
  "privacy",
  "notifications",
  "media",
];

/** Those of operators and services. A client is given its own when it is made. */
export const knownScopes: readonly string[] = areas.flatMap((area) => [`${area}:read`, `${area}:write`]);

const scopePattern = /^[!#-[\]-~]+$/;

/**
 * What was asked for, where it is within what is allowed; all that is allowed where nothing was asked for. Undefined where it is
 * not, or is no list of scopes.
 */
export function grantScopes(asked: string, allowed: readonly string[]): string[] | undefined {
  if (asked === "") return [...allowed];
  const scopes = asked.split(" ");
  const isGood = scopes.every((scope) => scopePattern.test(scope) && allowed.includes(scope));
  return isGood ? [...new Set(scopes)] : undefined;
}
