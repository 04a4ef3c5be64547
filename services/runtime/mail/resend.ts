// Mail by Resend's API.
import { Resend } from "resend";
import { MailNotSent, MailOutcomeUnknown, sendMsMax, type Mailer } from "./contract.ts";

export function resendMailer({ apiKey, baseUrl }: { apiKey: string; baseUrl: string }): Mailer {
  const resend = new Resend(apiKey, { baseUrl });
  return {
    name: "resend",
    isIdempotent: true,
    send: async ({ to, from, subject, text, html, idempotencyKey }) => {
      const options = { idempotencyKey, signal: AbortSignal.timeout(sendMsMax) };
      const { error } = await resend.emails.send({ to: [...to], from, subject, text, html }, options).catch(() => {
        throw new MailOutcomeUnknown("Resend did not answer in time");
      });
      if (!error) return;
      const words = `Resend answered ${error.statusCode ?? "nothing"} ${codeOf(error.name)}`;
      if (isRefused(error.statusCode, error.name)) throw new MailNotSent(words);
      throw new MailOutcomeUnknown(words);
    },
  };
}

/** A refusal has no effect; after anything else, such as a 5xx or a cut connection, the mail may be out. */
function isRefused(statusCode: number | null | undefined, name: string): boolean {
  // The first attempt under the same key is still being worked on.
  if (name === "concurrent_idempotent_requests") return false;
  return typeof statusCode === "number" && statusCode >= 400 && statusCode < 500;
}

/** Only what looks like one of Resend's codes: whatever else answers there may repeat what it was sent. */
const codeOf = (name: unknown): string => (typeof name === "string" && /^[a-z_]{1,60}$/.test(name) ? name : "unknown_error");
