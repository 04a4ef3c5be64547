// Where the services are that do not run in this process.
import type { DescService } from "@bufbuild/protobuf";
import { StartupError } from "#runtime/backing/startup-error.ts";
import type { Environment } from "#runtime/settings.ts";

const packagePattern = /^ordermesh\.([a-z][a-z0-9_]*)\.v\d+$/;

/** The name by which a service is deployed and addressed: "catalog" for ordermesh.catalog.v1.CatalogService. */
export function serviceNameOf(service: DescService): string {
  const name = packagePattern.exec(service.file.proto.package)?.[1];
  if (name === undefined) throw new Error(`${service.typeName} is in no package ordermesh.<service>.v<number>`);
  return name;
}

/** ORDERMESH_CATALOG_URL for "catalog". */
export function addressSetting(serviceName: string): string {
  return `ORDERMESH_${serviceName.toUpperCase()}_URL`;
}

/**
 * The replicas of a service, from a setting such as ORDERMESH_CATALOG_URL="http://10.0.0.1:9090,http://10.0.0.2:9090".
 * Empty where it is not set.
 *
 * @throws StartupError where an entry is no URL of a replica.
 */
export function addressesFromEnvironment(env: Environment, serviceName: string): string[] {
  const setting = addressSetting(serviceName);
  const text = env[setting]?.trim() ?? "";
  if (text === "") return [];
  const origins = text.split(",").map((entry) => originOf(entry.trim(), setting));
  return [...new Set(origins)];
}

function originOf(entry: string, setting: string): string {
  const url = URL.parse(entry);
  const isOrigin = url && ["http:", "https:"].includes(url.protocol) && url.href === `${url.origin}/`;
  if (isOrigin) return url.origin;
  // Not quoted where it could hold a password.
  const quoted = entry.includes("@") ? "an entry with a user" : `"${entry}"`;
  throw new StartupError(
    `${setting} has ${quoted}; set it to a comma-separated list such as http://10.0.0.1:9090,http://10.0.0.2:9090.`,
  );
}
