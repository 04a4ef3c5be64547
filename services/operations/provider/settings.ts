// Who gets alerts, from whom, how and how often; wrong settings stop the start.
import { StartupError } from "#runtime/backing/startup-error.ts";
import type { Logger } from "#runtime/log.ts";
import type { Mailer } from "#runtime/mail/contract.ts";
import { logMailer } from "#runtime/mail/log.ts";
import { isMailAddress, resendSetting, senderSetting, smtpSetting } from "#runtime/mail/settings.ts";
import { choiceSetting, numberSetting, type Environment } from "#runtime/settings.ts";

export interface AlertSettings {
  mailer: Mailer;
  to: readonly string[];
  from: string;
  /** How long the first news waits for company. */
  groupSeconds: number;
  /** At least so long between two mails. */
  pauseSeconds: number;
}

const daySeconds = 86_400;
const recipientsMax = 50;

export function alertSettings(env: Environment, log: Logger): AlertSettings {
  const to = recipients(env);
  const from = senderSetting(env, "ORDERMESH_ALERT_FROM");
  const groupSeconds = numberSetting(env, "ORDERMESH_ALERT_GROUP_SECONDS", { fallback: 30, min: 0, max: daySeconds });
  const pauseSeconds = numberSetting(env, "ORDERMESH_ALERT_PAUSE_SECONDS", { fallback: 300, min: 0, max: daySeconds });
  return { mailer: mailerOf(env, { log, isAddressed: to.length > 0 && from !== "" }), to, from, groupSeconds, pauseSeconds };
}

function mailerOf(env: Environment, { log, isAddressed }: { log: Logger; isAddressed: boolean }): Mailer {
  const choice = choiceSetting(env, "ORDERMESH_ALERT_MAILER", { fallback: "none", choices: ["smtp", "resend", "none"] });
  if (choice !== "none" && !isAddressed) {
    const missing = env["ORDERMESH_ALERT_TO"] ? "ORDERMESH_ALERT_FROM" : "ORDERMESH_ALERT_TO";
    throw new StartupError(`${missing} is not set; ORDERMESH_ALERT_MAILER=${choice} needs it.`);
  }
  switch (choice) {
    case "smtp":
      return smtpSetting(env, log);
    case "resend":
      return resendSetting(env, "ORDERMESH_ALERT_MAILER");
    case "none":
      return logMailer(({ subject, idempotencyKey }) => {
        log.warn({ mailId: idempotencyKey, subject }, "alert_not_sent_no_mailer");
      });
  }
}

function recipients(env: Environment): string[] {
  const text = env["ORDERMESH_ALERT_TO"] ?? "";
  if (text === "") return [];
  const addresses = text.split(",").map((part) => part.trim());
  const isGood = addresses.length <= recipientsMax && addresses.every((address) => isMailAddress(address));
  if (!isGood) {
    throw new StartupError(`ORDERMESH_ALERT_TO is "${text}"; set it to at most ${recipientsMax} mail addresses with commas.`);
  }
  return addresses;
}
