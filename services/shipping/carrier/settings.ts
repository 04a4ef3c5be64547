// Who carries, how fast the sandbox is, where carriers are called, and by which secrets they prove themselves and we to them.
import { StartupError } from "#runtime/backing/startup-error.ts";
import { numberSetting, type Environment } from "#runtime/settings.ts";
import { builtIn, type CarrierSettings } from "./carriers.ts";
import type { DeskSettings } from "./http-desk.ts";
import { secretsKey } from "./webhook.ts";

const carrierMs = { fallback: 5_000, min: 0, max: 30 * 24 * 60 * 60 * 1_000 };
const secretBytesMin = 24;
const senderLinesMax = 5;

/** Two calls, to look a booking up and to ask for it, end well within the half minute for which a claim keeps others away. Milliseconds. */
const timeoutMs = { fallback: 10_000, min: 100, max: 10_000 };

/** @throws StartupError where one of the settings says nothing that can be understood. Its message has no secret in it. */
export function readCarrierSettings(env: Environment): CarrierSettings {
  const desks = readDesks(env);
  const names = new Set<string>([...builtIn, ...desks.keys()]);
  return {
    byMethod: readCarriers(env["ORDERMESH_CARRIERS"] ?? "", names),
    pace: {
      dispatchMs: numberSetting(env, "ORDERMESH_CARRIER_DISPATCH_MS", carrierMs),
      deliverMs: numberSetting(env, "ORDERMESH_CARRIER_DELIVER_MS", carrierMs),
    },
    secrets: readSecrets(env["ORDERMESH_CARRIER_WEBHOOK_SECRETS"] ?? "", names),
    desks,
  };
}

const entriesOf = (text: string | undefined): string[] => (text ?? "").split(",").filter(Boolean);

function readDesks(env: Environment): Map<string, DeskSettings> {
  const urls = new Map(entriesOf(env["ORDERMESH_CARRIER_URLS"]).map(readUrl));
  const tokens = readTokens(entriesOf(env["ORDERMESH_CARRIER_TOKENS"]), urls);
  const timeout = numberSetting(env, "ORDERMESH_CARRIER_TIMEOUT_MS", timeoutMs);
  return new Map(
    [...urls].map(([name, baseUrl]) => [name, { name, baseUrl, tokens: tokens.get(name) ?? new Map(), timeoutMs: timeout }]),
  );
}

function readUrl(entry: string): [name: string, baseUrl: string] {
  const [, name = "", text = ""] = /^([a-z][a-z0-9-]{0,31})=(\S+)$/.exec(entry.trim()) ?? [];
  const url = URL.parse(text);
  const isOurs = (builtIn as readonly string[]).includes(name);
  const isBase = url !== null && /^https?:$/.test(url.protocol) && url.username === "" && url.search === "" && url.hash === "";
  if (!isBase || isOurs) {
    throw new StartupError(
      "ORDERMESH_CARRIER_URLS has an entry that is not carrier=address; set it to names of your own, other than " +
        `${builtIn.join(" and ")}, with addresses such as parcelpost=https://carrier.example/v1.`,
    );
  }
  return [name, url.href.replace(/\/+$/, "")];
}

function readTokens(entries: readonly string[], urls: ReadonlyMap<string, string>): Map<string, Map<string, string>> {
  const tokens = new Map<string, Map<string, string>>();
  for (const entry of entries) {
    const [, name = "", tenant = "", token = ""] = /^([a-z0-9-]+):([A-Za-z0-9_-]{1,63})=([\x21-\x7e]+)$/.exec(entry.trim()) ?? [];
    if (!urls.has(name)) {
      throw new StartupError(
        "ORDERMESH_CARRIER_TOKENS has an entry that is not carrier:tenant=token of a carrier in ORDERMESH_CARRIER_URLS; set it to " +
          "tokens such as parcelpost:demo=….",
      );
    }
    tokens.set(name, (tokens.get(name) ?? new Map<string, string>()).set(tenant, token));
  }
  return tokens;
}

function readCarriers(text: string, names: ReadonlySet<string>): CarrierSettings["byMethod"] {
  const byMethod = { STANDARD: "sandbox", EXPRESS: "sandbox" };
  for (const entry of entriesOf(text)) {
    const [method = "", name = "", ...rest] = entry.trim().split("=");
    if ((method !== "STANDARD" && method !== "EXPRESS") || !names.has(name) || rest.length > 0) {
      throw new StartupError(
        `ORDERMESH_CARRIERS has the entry "${entry}"; set it to carriers by method such as STANDARD=sandbox,EXPRESS=external, each ` +
          "sandbox, external or one of ORDERMESH_CARRIER_URLS.",
      );
    }
    byMethod[method] = name;
  }
  return byMethod;
}

function readSecrets(text: string, names: ReadonlySet<string>): Map<string, string[]> {
  const secrets = new Map<string, string[]>();
  for (const entry of entriesOf(text)) {
    const [, carrier = "", tenant = "", secret = ""] =
      /^([a-z0-9-]+):([A-Za-z0-9_-]{1,63})=(whsec_\S+)$/.exec(entry.trim()) ?? [];
    if (!names.has(carrier) || !isSecret(secret)) {
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
