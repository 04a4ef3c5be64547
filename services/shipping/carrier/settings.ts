// Who carries, how fast the sandbox is, and by which secrets carriers prove themselves.
import { StartupError } from "#runtime/backing/startup-error.ts";
import { numberSetting, type Environment } from "#runtime/settings.ts";
import { carrierNames, type CarrierName, type CarrierSettings } from "./carriers.ts";
import { secretsKey } from "./webhook.ts";

const carrierMs = { fallback: 5_000, min: 0, max: 30 * 24 * 60 * 60 * 1_000 };
const secretBytesMin = 24;
const senderLinesMax = 5;

/** @throws StartupError where one of the settings says nothing that can be understood. Its message has no secret in it. */
export const readCarrierSettings = (env: Environment): CarrierSettings => ({
  byMethod: readCarriers(env["ORDERMESH_CARRIERS"] ?? ""),
  pace: {
    dispatchMs: numberSetting(env, "ORDERMESH_CARRIER_DISPATCH_MS", carrierMs),
    deliverMs: numberSetting(env, "ORDERMESH_CARRIER_DELIVER_MS", carrierMs),
  },
  secrets: readSecrets(env["ORDERMESH_CARRIER_WEBHOOK_SECRETS"] ?? ""),
});

const isCarrierName = (name: string): name is CarrierName => (carrierNames as readonly string[]).includes(name);

function readCarriers(text: string): CarrierSettings["byMethod"] {
  const byMethod: Record<"STANDARD" | "EXPRESS", CarrierName> = { STANDARD: "sandbox", EXPRESS: "sandbox" };
  for (const entry of text.split(",").filter(Boolean)) {
    const [method = "", name = "", ...rest] = entry.trim().split("=");
    if ((method !== "STANDARD" && method !== "EXPRESS") || !isCarrierName(name) || rest.length > 0) {
      throw new StartupError(
        `ORDERMESH_CARRIERS has the entry "${entry}"; set it to carriers by method such as STANDARD=sandbox,EXPRESS=external.`,
      );
    }
    byMethod[method] = name;
  }
  return byMethod;
}

function readSecrets(text: string): Map<string, string[]> {
  const secrets = new Map<string, string[]>();
  for (const entry of text.split(",").filter(Boolean)) {
    const [, carrier = "", tenant = "", secret = ""] = /^([a-z]+):([A-Za-z0-9_-]{1,63})=(whsec_\S+)$/.exec(entry.trim()) ?? [];
    if (!isCarrierName(carrier) || !isSecret(secret)) {
      throw new StartupError(
        "ORDERMESH_CARRIER_WEBHOOK_SECRETS has an entry that is not carrier:tenant=secret; set it to secrets such as " +
          "sandbox:demo=whsec_…, each whsec_ and 24 bytes or more in base64.",
      );
    }
    const key = secretsKey(carrier, tenant);
    secrets.set(key, [...(secrets.get(key) ?? []), secret]);
  }
  return secrets;
}

function isSecret(secret: string): boolean {
  const text = secret.replace(/^whsec_/, "");
  return /^[A-Za-z0-9+/]+={0,2}$/.test(text) && text.length % 4 === 0 && Buffer.from(text, "base64").length >= secretBytesMin;
}

/** Lines of the address of a tenant's shop; its name and country where the setting has none. */
export function readSenders(env: Environment, shopCountryCode: string): (tenant: string) => readonly string[] {
  const senders = new Map<string, string[]>();
  for (const entry of (env["ORDERMESH_SHIP_FROM"] ?? "").split(";").filter(Boolean)) {
    const [, tenant = "", text = ""] = /^([A-Za-z0-9_-]{1,63})=(.+)$/.exec(entry.trim()) ?? [];
    const lines = text.split("|").map((line) => line.trim());
    if (lines.length > senderLinesMax || lines.some((line) => line === "")) {
      throw new StartupError(
        `ORDERMESH_SHIP_FROM has the entry "${entry}"; set it to addresses of one to ${senderLinesMax} lines such as ` +
          "demo=The Shop|1 Main St|10115 Berlin|DE, with ; between those of several tenants.",
      );
    }
    senders.set(tenant, lines);
  }
  return (tenant) => senders.get(tenant) ?? [tenant, shopCountryCode];
}
