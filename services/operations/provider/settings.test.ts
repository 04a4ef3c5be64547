// Settings of alerts: what is refused at the start, and that nothing secret is said about it.
import { expect, test } from "vitest";
import { createLogger } from "#runtime/log.ts";
import { alertSettings } from "./settings.ts";

const log = createLogger({ level: "silent" });
const addressed = { ORDERMESH_ALERT_TO: "ops@example.com", ORDERMESH_ALERT_FROM: "mesh@example.com" };
const smtp = { ...addressed, ORDERMESH_ALERT_MAILER: "smtp" };
const resend = { ...addressed, ORDERMESH_ALERT_MAILER: "resend" };

test.each([
  { name: "ORDERMESH_ALERT_MAILER", env: { ORDERMESH_ALERT_MAILER: "pigeon" } },
  { name: "ORDERMESH_ALERT_TO", env: { ...smtp, ORDERMESH_ALERT_TO: "" } },
  { name: "ORDERMESH_ALERT_TO", env: { ORDERMESH_ALERT_TO: "ops" } },
  { name: "ORDERMESH_ALERT_TO", env: { ORDERMESH_ALERT_TO: "ops@example.com,,b@example.com" } },
  { name: "ORDERMESH_ALERT_TO", env: { ORDERMESH_ALERT_TO: "ops@example.com\r\nBcc: x@example.com" } },
  { name: "ORDERMESH_ALERT_FROM", env: { ...smtp, ORDERMESH_ALERT_FROM: "" } },
  { name: "ORDERMESH_ALERT_FROM", env: { ORDERMESH_ALERT_FROM: "Mesh <mesh>" } },
  { name: "ORDERMESH_ALERT_GROUP_SECONDS", env: { ORDERMESH_ALERT_GROUP_SECONDS: "-1" } },
  { name: "ORDERMESH_ALERT_PAUSE_SECONDS", env: { ORDERMESH_ALERT_PAUSE_SECONDS: "soon" } },
  { name: "ORDERMESH_SMTP_URL", env: smtp },
  { name: "ORDERMESH_SMTP_URL", env: { ...smtp, ORDERMESH_SMTP_URL: "http://user:hush@host" } },
  { name: "ORDERMESH_SMTP_URL", env: { ...smtp, ORDERMESH_SMTP_URL: "smtp://user:hush%zz@host" } },
  { name: "RESEND_API_KEY", env: resend },
  { name: "RESEND_API_KEY", env: { ...resend, RESEND_API_KEY: "re_hush\n" } },
  { name: "RESEND_BASE_URL", env: { ...resend, RESEND_API_KEY: "re_hush", RESEND_BASE_URL: "here" } },
])("$env is refused in the name of $name", ({ name, env }) => {
  expect(() => alertSettings(env, log)).toThrow(name);
  expect(() => alertSettings(env, log)).not.toThrow(/hush/);
});

test("a start without settings sends nothing, and waits 30 s and 300 s", () => {
  expect(alertSettings({}, log)).toMatchObject({ to: [], from: "", groupSeconds: 30, pauseSeconds: 300 });
});

test("several recipients and a named sender are taken", () => {
  const env = { ...smtp, ORDERMESH_SMTP_URL: "smtps://a:b%40c@mail.example.com", ORDERMESH_ALERT_TO: "a@b.example, c@d.example" };
  const settings = alertSettings({ ...env, ORDERMESH_ALERT_FROM: "Order mesh <mesh@example.com>" }, log);
  expect(settings).toMatchObject({ to: ["a@b.example", "c@d.example"], from: "Order mesh <mesh@example.com>" });
});
