// Who gets alerts, from whom, how and how often; wrong settings stop the start.
import { StartupError } from "#runtime/backing/startup-error.ts";
import type { Logger } from "#runtime/log.ts";
import { choiceSetting, numberSetting, type Environment } from "#runtime/settings.ts";
import type { Mailer } from "./contract.ts";
import { logMailer } from "./log.ts";
import { resendMailer } from "./resend.ts";
import { smtpMailer, type SmtpServer } from "./smtp.ts";

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
const addressPattern = /^[^\s@<>",;:()[\]\\]{1,64}@[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/i;
const namedAddressPattern = /^[^<>"@,\r\n]{1,100}<([^<>]+)>$/;

export function alertSettings(env: Environment, log: Logger): AlertSettings {
  const to = recipients(env);
  const from = sender(env);
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
      return smtpMailer(smtpServer(env["ORDERMESH_SMTP_URL"] ?? ""), { log });
    case "resend":
      return resendMailer(resendAccount(env));
    case "none":
      return logMailer(log);
  }
}

function recipients(env: Environment): string[] {
  const text = env["ORDERMESH_ALERT_TO"] ?? "";
  if (text === "") return [];
  const addresses = text.split(",").map((part) => part.trim());
  const isGood = addresses.length <= recipientsMax && addresses.every((address) => addressPattern.test(address));
  if (!isGood) {
    throw new StartupError(`ORDERMESH_ALERT_TO is "${text}"; set it to at most ${recipientsMax} mail addresses with commas.`);
  }
  return addresses;
}

function sender(env: Environment): string {
  const text = (env["ORDERMESH_ALERT_FROM"] ?? "").trim();
  const address = namedAddressPattern.exec(text)?.[1] ?? text;
  if (text === "" || addressPattern.test(address)) return text;
  throw new StartupError(`ORDERMESH_ALERT_FROM is "${text}"; set it to a mail address, such as ordermesh@example.com.`);
}

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

function resendAccount(env: Environment): { apiKey: string; baseUrl: string } {
  const apiKey = env["RESEND_API_KEY"] ?? "";
  // Anything else would not fit into a header, and the error would show it.
  if (!/^[\x21-\x7e]+$/.test(apiKey))
    throw new StartupError("RESEND_API_KEY is missing or wrong; ORDERMESH_ALERT_MAILER=resend needs it.");
  const baseUrl = (env["RESEND_BASE_URL"] || "https://api.resend.com").replace(/\/+$/, "");
  if (!/^https?:$/.test(URL.parse(baseUrl)?.protocol ?? "")) {
    throw new StartupError("RESEND_BASE_URL is not an address; leave it empty for Resend's own.");
  }
  return { apiKey, baseUrl };
}
