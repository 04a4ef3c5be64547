// Clients that settings make and no table: the services of the mesh, and the first operator. Every replica knows them at once, and
// they are gone when the setting is.
import { StartupError } from "#runtime/backing/startup-error.ts";
import { clientSecretOf } from "#runtime/access/settings.ts";
import { textSetting, type Environment } from "#runtime/settings.ts";
import { operatorClientId, serviceClientIds, type Client } from "../domain/client.ts";
import { knownScopes } from "../domain/scopes.ts";
import { isReservedTenant } from "../domain/tenant.ts";
import { hashSecret } from "../store/secret-hash.ts";

const operatorSecretCharactersMin = 16;

export interface ConfiguredClient {
  client: Client;
  secretHash: Buffer;
}

/** @throws StartupError where a secret can be guessed. */
export function configuredClients(env: Environment): ReadonlyMap<string, ConfiguredClient> {
  const services = serviceClientIds.map((name) => configured(name, "service", "", clientSecretOf(name, env)));
  const secret = env["ORDERMESH_OPERATOR_SECRET"] ?? "";
  const operators = secret === "" ? [] : [configured(operatorClientId, "operator", homeTenant(env), checked(secret))];
  return new Map([...services, ...operators].map((entry) => [entry.client.clientId, entry]));
}

/**
 * Whose the installation is: its operators see what is of all.
 *
 * @throws StartupError where the name stands for all tenants.
 */
export function homeTenant(env: Environment): string {
  const tenant = textSetting(env, "ORDERMESH_TENANT", "demo");
  if (isReservedTenant(tenant))
    throw new StartupError(`ORDERMESH_TENANT is "${tenant}", which stands for all shops; give it another name.`);
  return tenant;
}

function checked(secret: string): string {
  if (secret.length >= operatorSecretCharactersMin) return secret;
  const length = `${secret.length} characters; give it ${operatorSecretCharactersMin} or more, by chance`;
  throw new StartupError(`ORDERMESH_OPERATOR_SECRET has ${length}.`);
}

function configured(clientId: string, role: "operator" | "service", tenant: string, secret: string): ConfiguredClient {
  const client: Client = {
    clientId,
    title: "",
    tenant,
    isPublic: false,
    roles: [role],
    scopes: [...knownScopes],
    rateLimit: null,
    createTime: new Date(0),
  };
  return { client, secretHash: hashSecret(secret) };
}
