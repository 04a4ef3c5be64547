// Who carries mail and from whom it is; wrong settings stop the start.
import { StartupError } from "../backing/startup-error.ts";
import type { Logger } from "../log.ts";
import type { Environment } from "../settings.ts";
import type { Mailer } from "./contract.ts";
import { resendMailer } from "./resend.ts";
import { smtpMailer, type SmtpServer } from "./smtp.ts";

const addressPattern = /^[^\s@<>",;:()[\]\\]{1,64}@[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/i;
const namedAddressPattern = /^[^<>"@,\r\n]{1,100}<([^<>]+)>$/;

export const isMailAddress = (text: string): boolean => addressPattern.test(text);

/** The sender, perhaps with a name before the address; empty where none is set. */
export function senderSetting(env: Environment, name: string): string {
  const text = (env[name] ?? "").trim();
  const address = namedAddressPattern.exec(text)?.[1] ?? text;
  if (text === "" || isMailAddress(address)) return text;
  throw new StartupError(`${name} is "${text}"; set it to a mail address, such as ordermesh@example.com.`);
}

/** By the server of ORDERMESH_SMTP_URL. */
export const smtpSetting = (env: Environment, log: Logger): Mailer =>
  smtpMailer(smtpServer(env["ORDERMESH_SMTP_URL"] ?? ""), { log });

/** By RESEND_API_KEY; the setting that asks for it is named where the key is missing. */
export const resendSetting = (env: Environment, mailerSetting: string): Mailer => resendMailer(resendAccount(env, mailerSetting));

// The value is never shown, because it may hold a password.
function smtpServer(text: string): SmtpServer {
  const url = URL.parse(text);
  const isTls = url?.protocol === "smtps:";
  const isPlain = url !== null && url.hostname !== "" && url.search === "" && url.hash === "" && /^\/?$/.test(url.pathname);
  if (!isPlain || !(isTls || url.protocol === "smtp:")) {
    throw new StartupError("ORDERMESH_SMTP_URL is missing or wrong; set it to smtp://user:password@host:port or smtps://…");
  }
  const port = url.port === "" ? (isTls ? 465 : 587) : Number(url.port);
  return { host: url.hostname.replace(/^\[|\]$/g, ""), port, isTls, auth: authOf(url) };
}

function authOf({ username, password }: URL): SmtpServer["auth"] {
  if (username === "" && password === "") return undefined;
  try {
    return { user: decodeURIComponent(username), pass: decodeURIComponent(password) };
  } catch {
    throw new StartupError("ORDERMESH_SMTP_URL has a user or password that is not percent-encoded; write % as %25.");
  }
}

function resendAccount(env: Environment, mailerSetting: string): { apiKey: string; baseUrl: string } {
  const apiKey = env["RESEND_API_KEY"] ?? "";
  // Anything else would not fit into a header, and the error would show it.
  if (!/^[\x21-\x7e]+$/.test(apiKey))
    throw new StartupError(`RESEND_API_KEY is missing or wrong; ${mailerSetting}=resend needs it.`);
  const baseUrl = (env["RESEND_BASE_URL"] || "https://api.resend.com").replace(/\/+$/, "");
  if (!/^https?:$/.test(URL.parse(baseUrl)?.protocol ?? "")) {
    throw new StartupError("RESEND_BASE_URL is not an address; leave it empty for Resend's own.");
  }
  return { apiKey, baseUrl };
}
