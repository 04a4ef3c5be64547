// The carriers of all channels by one form, and what an attempt to hand something over has come to.
import { MailNotSent, MailOutcomeUnknown } from "#runtime/mail/contract.ts";
import type { Channel } from "../domain/facts.ts";
import type { Message, Outcome } from "../domain/notification.ts";
import type { CarrierSettings } from "../provider/settings.ts";

export interface AnyCarrier {
  name: string;
  isIdempotent: boolean;
  send(message: Message, idempotencyKey: string): Promise<void>;
}

/** Undefined where nobody carries mail. */
export function carrierOf({ mailer, from, sms, push }: CarrierSettings, channel: Channel): AnyCarrier | undefined {
  if (channel === "email") {
    return (
      mailer && {
        ...mailer,
        send: ({ to, subject, text, html }, idempotencyKey) =>
          mailer.send({ to: [to], from, subject, text, html, idempotencyKey }),
      }
    );
  }
  const carrier = channel === "sms" ? sms : push;
  return {
    ...carrier,
    send: ({ to, subject: title, text }, idempotencyKey) => carrier.send({ to, title, text, idempotencyKey }),
  };
}

/** Only words of ours are kept as the cause: a server's may repeat what it was sent. */
export async function outcomeOf(
  sending: Promise<void>,
  { attempts, mayRepeat }: { attempts: number; mayRepeat: boolean },
): Promise<Outcome> {
  try {
    await sending;
    return { kind: "sent" };
  } catch (error) {
    if (error instanceof MailNotSent) return { kind: "not_sent", reason: error.message, attempts };
    const reason = error instanceof MailOutcomeUnknown ? error.message : "OUTCOME_UNKNOWN";
    return { kind: "unknown", reason, attempts, mayRepeat };
  }
}
