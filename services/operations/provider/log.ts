// Where no mailer is configured, alerts are lines of the log.
import type { Logger } from "#runtime/log.ts";
import type { Mailer } from "./contract.ts";

export function logMailer(log: Logger): Mailer {
  return {
    send: async ({ subject, idempotencyKey }) => {
      log.warn({ mailId: idempotencyKey, subject }, "alert_not_sent_no_mailer");
    },
  };
}
