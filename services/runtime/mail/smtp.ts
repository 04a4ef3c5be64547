// Mail by SMTP.
import { createTransport } from "nodemailer";
import { MailNotSent, MailOutcomeUnknown, sendMsMax, type Mail, type Mailer } from "./contract.ts";

export interface SmtpServer {
  host: string;
  port: number;
  /** TLS from the first byte; otherwise it is taken where the server offers it. */
  isTls: boolean;
  auth: { user: string; pass: string } | undefined;
}

const connectMsMax = 5_000;
const silenceMsMax = 10_000;
const loopbackHosts = new Set(["localhost", "127.0.0.1", "::1"]);
/** Faults that come before the mail's text is handed over. */
const earlyFaults = new Set(["EDNS", "EAUTH", "EENVELOPE", "ETLS", "ENOAUTH"]);

export function smtpMailer(server: SmtpServer, { log }: { log: { warn(fields: object, name: string): void } }): Mailer {
  const { host, port, isTls, auth } = server;
  return {
    name: "smtp",
    // A repeat has the same Message-ID, and servers deliver it all the same.
    isIdempotent: false,
    send: async (mail) => {
      const transport = createTransport({
        host,
        port,
        secure: isTls,
        ...(auth && { auth }),
        // A password does not leave the machine in the clear.
        requireTLS: auth !== undefined && !isTls && !loopbackHosts.has(host),
        connectionTimeout: connectMsMax,
        greetingTimeout: connectMsMax,
        dnsTimeout: connectMsMax,
        socketTimeout: silenceMsMax,
        disableFileAccess: true,
        disableUrlAccess: true,
      });
      try {
        const { rejected } = await withinTime(transport.sendMail(messageOf(mail)));
        if (rejected.length > 0)
          log.warn({ mailId: mail.idempotencyKey, recipients: rejected.length }, "mail_recipients_refused");
      } catch (error) {
        throw outcomeOf(error);
      } finally {
        transport.close();
      }
    },
  };
}

function messageOf({ to, from, subject, text, html, idempotencyKey }: Mail) {
  const domain = /@([^@>\s]+)>?$/.exec(from)?.[1] ?? "ordermesh";
  return {
    to: [...to],
    from,
    subject,
    text,
    html,
    messageId: `<${idempotencyKey}@${domain}>`,
    // Keeps holiday notices from answering.
    headers: { "Auto-Submitted": "auto-generated" },
  };
}

/** A server that says a little now and then is never silent for long, and yet may never end. */
async function withinTime<Result>(sending: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(Object.assign(new Error("no end in time"), { code: "ETIMEDOUT" })), sendMsMax);
  });
  try {
    return await Promise.race([sending, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A server's words may repeat what it was sent, such as a user's name: only codes are passed on. */
function outcomeOf(thrown: unknown): Error {
  const { code, responseCode, syscall } = thrown as { code?: string; responseCode?: number; syscall?: string };
  const words = `SMTP failed: ${[code, responseCode].filter((part) => part !== undefined).join(" ") || "unknown fault"}`;
  const isEarly = responseCode !== undefined || syscall === "connect" || syscall === "getaddrinfo" || earlyFaults.has(code ?? "");
  return isEarly ? new MailNotSent(words) : new MailOutcomeUnknown(words);
}
