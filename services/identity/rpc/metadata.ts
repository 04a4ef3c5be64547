// Where everything is (RFC 8414).
import { knownScopes } from "../domain/scopes.ts";

const confidential = ["client_secret_basic", "client_secret_post"];

export function serverMetadata(issuer: string) {
  return {
    issuer,
    tokenEndpoint: `${issuer}/oauth/token`,
    revocationEndpoint: `${issuer}/oauth/revoke`,
    introspectionEndpoint: `${issuer}/oauth/introspect`,
    jwksUri: `${issuer}/.well-known/jwks.json`,
    grantTypesSupported: ["client_credentials", "refresh_token"],
    responseTypesSupported: [],
    scopesSupported: [...knownScopes],
    tokenEndpointAuthMethodsSupported: [...confidential, "none"],
    revocationEndpointAuthMethodsSupported: [...confidential, "none"],
    introspectionEndpointAuthMethodsSupported: confidential,
  };
}
