// What every answer tells a browser, whoever gives it: this is data, and no page.
const always: Readonly<Record<string, string>> = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
};

/** A year. Without includeSubDomains: other names of the domain are not ours to promise for. */
const transportSecurity = "max-age=31536000";

/** Strict-Transport-Security only under TLS: elsewhere browsers ignore it (RFC 6797, 7.2). */
export function securityHeaders({ isSecure }: { isSecure: boolean }): Readonly<Record<string, string>> {
  return isSecure ? { ...always, "strict-transport-security": transportSecurity } : always;
}
