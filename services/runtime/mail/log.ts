// Where nobody carries mail, it is told of in the log.
import type { Mail, Mailer } from "./contract.ts";

/** Whoever uses it says what of a mail may stand in a log. */
export function logMailer(tell: (mail: Mail) => void): Mailer {
  return {
    name: "log",
    isIdempotent: true,
    // oxlint-disable-next-line typescript/require-await -- as mailers do that send
    send: async (mail) => tell(mail),
  };
}
