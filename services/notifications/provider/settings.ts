// Who carries messages to customers; wrong settings stop the start.
import { StartupError } from "#runtime/backing/startup-error.ts";
import type { Logger } from "#runtime/log.ts";
import type { Mailer } from "#runtime/mail/contract.ts";
import { logMailer } from "#runtime/mail/log.ts";
import { resendSetting, senderSetting, smtpSetting } from "#runtime/mail/settings.ts";
import { choiceSetting, textSetting, type Environment } from "#runtime/settings.ts";
import type { Carrier, ShortMessage } from "./contract.ts";
import { logCarrier } from "./log.ts";

export interface CarrierSettings {
  /** Undefined where nobody carries mail: mails are then skipped. */
  mailer: Mailer | undefined;
  from: string;
  sms: Carrier<ShortMessage>;
  push: Carrier<ShortMessage>;
  /** Waits before what was not taken is tried again, where they are set. */
  retryMs: readonly number[] | undefined;
}

export function carrierSettings(env: Environment, log: Logger): CarrierSettings {
  const from = senderSetting(env, "ORDERMESH_CUSTOMER_MAIL_FROM");
  const mailer = mailerOf(env, log);
  if (mailer && mailer.name !== "log" && from === "") {
    throw new StartupError(`ORDERMESH_CUSTOMER_MAIL_FROM is not set; ORDERMESH_CUSTOMER_MAILER=${mailer.name} needs it.`);
  }
  const retryMs = delaysSetting(env, "ORDERMESH_CUSTOMER_MAIL_RETRY_MS");
  return { mailer, from, sms: logCarrier("sms", log), push: logCarrier("push", log), retryMs };
}

function mailerOf(env: Environment, log: Logger): Mailer | undefined {
  const name = "ORDERMESH_CUSTOMER_MAILER";
  switch (choiceSetting(env, name, { fallback: "none", choices: ["none", "log", "smtp", "resend"] })) {
    case "none":
      return undefined;
    case "log":
      return logMailer(({ idempotencyKey }) => {
        log.info({ notificationId: idempotencyKey, channel: "email" }, "notification_logged");
      });
    case "smtp":
      return smtpSetting(env, log);
    case "resend":
      return resendSetting(env, name);
  }
}

const delayMsMax = 7 * 86_400_000;
const delaysMax = 20;

/** Waits with commas, in milliseconds; undefined where none are set. */
export function delaysSetting(env: Environment, name: string): readonly number[] | undefined {
  const text = textSetting(env, name, "");
  if (text === "") return undefined;
  const delays = text.split(",").map(Number);
  const isGood =
    delays.length <= delaysMax && delays.every((delay) => Number.isInteger(delay) && delay >= 0 && delay <= delayMsMax);
  if (isGood) return delays;
  throw new StartupError(`${name} is "${text}"; set it to at most ${delaysMax} waits in milliseconds with commas.`);
}
