// What is needed of whoever carries mail.
export interface Mail {
  to: readonly string[];
  from: string;
  subject: string;
  text: string;
  html: string;
  /** The same for every repeat of one mail, so that it can be recognised. */
  idempotencyKey: string;
}

export interface Mailer {
  /** Such as "smtp". */
  name: string;
  /** Whether repeats of a mail under the same key are one mail to whoever gets it, for idempotentMs. */
  isIdempotent: boolean;
  /** Resolves where the mail was accepted; throws MailNotSent, or MailOutcomeUnknown. */
  send(mail: Mail): Promise<void>;
}

/** Certainly not sent: the next attempt may say something else. The message says no more than codes, never a server's words. */
export class MailNotSent extends Error {
  override readonly name = "MailNotSent";
}

/** Perhaps sent: the next attempt must be the same mail under the same key. */
export class MailOutcomeUnknown extends Error {
  override readonly name = "MailOutcomeUnknown";
}

/** Below the time for which due work is claimed, so that no second attempt begins beside the first. */
export const sendMsMax = 20_000;

/** How long repeats under one key are one mail; Resend keeps keys for 24 hours, of which an hour is left for clocks and calls. */
export const idempotentMs = 23 * 3_600_000;
