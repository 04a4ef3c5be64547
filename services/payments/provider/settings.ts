// Which provider moves the money, and by which keys.
import { StartupError } from "#runtime/backing/startup-error.ts";
import { choiceSetting, numberSetting, type Environment } from "#runtime/settings.ts";
import type { StripeSettings } from "./stripe.ts";

export const readProviderName = (env: Environment): "sandbox" | "stripe" =>
  choiceSetting(env, "ORDERMESH_PAYMENT_PROVIDER", { fallback: "sandbox", choices: ["sandbox", "stripe"] });

/** How long any provider may take: well below the half minute for which a claim keeps others from the same item. */
export const readProviderTimeoutMs = (env: Environment): number =>
  numberSetting(env, "ORDERMESH_PROVIDER_TIMEOUT_MS", { fallback: 10_000, min: 100, max: 10_000 });

/** @throws StartupError where there is no key, or what is given is none. Its message has no key in it. */
export function readStripeSettings(env: Environment): StripeSettings {
  const entries = (env["ORDERMESH_STRIPE_KEYS"] ?? "").split(",").filter(Boolean);
  const keys = new Map(entries.map(readKey));
  if (keys.size === 0) throw new StartupError(keysHint("is not set"));
  const webhookSecrets = readWebhookSecrets(env["ORDERMESH_STRIPE_WEBHOOK_SECRETS"] ?? "");
  return { keys, url: readUrl(env["ORDERMESH_STRIPE_URL"] ?? ""), timeoutMs: readProviderTimeoutMs(env), webhookSecrets };
}

const keysHint = (problem: string): string =>
  `ORDERMESH_STRIPE_KEYS ${problem}; set it to one secret or restricted key for each tenant, such as demo=sk_test_….`;

function readKey(entry: string): [string, string] {
  const [, tenant, key] = /^([A-Za-z0-9_-]{1,63})=((?:sk|rk)_\w+)$/.exec(entry.trim()) ?? [];
  if (tenant === undefined || key === undefined) throw new StartupError(keysHint("has an entry that is not tenant=key"));
  return [tenant, key];
}

function readWebhookSecrets(text: string): Map<string, string[]> {
  const secrets = new Map<string, string[]>();
  for (const entry of text.split(",").filter(Boolean)) {
    const [, tenant, secret] = /^([A-Za-z0-9_-]{1,63})=(whsec_\S+)$/.exec(entry.trim()) ?? [];
    if (tenant === undefined || secret === undefined) {
      throw new StartupError(
        "ORDERMESH_STRIPE_WEBHOOK_SECRETS has an entry that is not tenant=secret; set it to secrets such as demo=whsec_….",
      );
    }
    secrets.set(tenant, [...(secrets.get(tenant) ?? []), secret]);
  }
  return secrets;
}

function readUrl(text: string): URL | undefined {
  if (text === "") return undefined;
  const url = URL.parse(text);
  if (url && /^https?:$/.test(url.protocol) && url.pathname === "/") return url;
  throw new StartupError(
    `ORDERMESH_STRIPE_URL is "${text}"; set it to an address such as http://127.0.0.1:12111, or leave it out.`,
  );
}
