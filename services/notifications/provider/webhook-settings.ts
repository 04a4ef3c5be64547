// How endpoints are called; wrong settings stop the start.
import { choiceSetting, numberSetting, type Environment } from "#runtime/settings.ts";
import { delaysSetting } from "./settings.ts";

export interface WebhookSettings {
  /** Whether endpoints may be in our own network. */
  allowsPrivate: boolean;
  timeoutMs: number;
  /** Waits before a call is made again, where they are set. */
  retryMs: readonly number[] | undefined;
  /** An endpoint at which all calls have failed for so long is disabled. */
  disableAfterMs: number;
}

const hourMs = 3_600_000;

export function webhookSettings(env: Environment): WebhookSettings {
  const allowed = choiceSetting(env, "ORDERMESH_WEBHOOK_ALLOW_PRIVATE", { fallback: "off", choices: ["on", "off"] });
  // Well below the half minute for which a claim keeps others from the same delivery.
  const timeoutMs = numberSetting(env, "ORDERMESH_WEBHOOK_TIMEOUT_MS", { fallback: 10000, min: 100, max: 15_000 });
  const hours = numberSetting(env, "ORDERMESH_WEBHOOK_DISABLE_HOURS", { fallback: 120, min: 0, max: 8_760 });
  const retryMs = delaysSetting(env, "ORDERMESH_WEBHOOK_RETRY_MS");
  return { allowsPrivate: allowed === "on", timeoutMs, retryMs, disableAfterMs: hours * hourMs };
}
