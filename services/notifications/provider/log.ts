// SMS and push messages as lines of the log, until somebody carries them: neither to whom they are nor what they say.
import type { Logger } from "#runtime/log.ts";
import type { Carrier, ShortMessage } from "./contract.ts";

export function logCarrier(channel: "sms" | "push", log: Logger): Carrier<ShortMessage> {
  return {
    name: "log",
    isIdempotent: true,
    // oxlint-disable-next-line typescript/require-await -- as carriers do that send
    send: async ({ idempotencyKey }) => {
      log.info({ notificationId: idempotencyKey, channel }, "notification_logged");
    },
  };
}
