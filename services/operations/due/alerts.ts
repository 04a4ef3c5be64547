// Tells what is new by one mail: written down before it is sent, sent outside any transaction, and forgotten in the
// transaction that ends the work.
import { randomUUID } from "node:crypto";
import { actForAll } from "#runtime/database/scope.ts";
import { dueWork, planDue, type DueTime, type DueWork } from "#runtime/schedule/due-work.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { alertBounds, alertTime } from "../domain/alerts.ts";
import { renderAlert } from "../domain/alerts-render.ts";
import { MailNotSent } from "#runtime/mail/contract.ts";
import type { AlertSettings } from "../provider/settings.ts";
import {
  alertItem,
  alertKind,
  finishMail,
  readAlertState,
  readNews,
  saveMail,
  takeBackMail,
  takeNews,
  type StoredMail,
} from "../store/alerts.ts";

type Runtime<Tables> = Pick<ServiceRuntime<Tables>, "db" | "transaction" | "clock" | "log">;
type Prepared = { kind: "nothing_new" } | { kind: "too_early"; nextTime: Date } | { kind: "sent"; mailId: string };

export function alertWork<Tables>(runtime: Runtime<Tables>, settings: AlertSettings): DueWork {
  const { db, clock } = runtime;
  return dueWork<Tables, Prepared>({
    kind: alertKind,
    prepare: async (): Promise<Prepared> => {
      const { mail, firstNewsTime, lastSentTime } = await readAlertState(db);
      // A mail that is written down may be out already, so it comes before everything else and unchanged.
      if (mail) return send(runtime, settings, mail);
      if (!firstNewsTime) return { kind: "nothing_new" };
      const nextTime = alertTime({ firstNewsTime, lastSentTime, ...settings });
      if (nextTime > clock.now()) return { kind: "too_early", nextTime };
      return send(runtime, settings, await writeMail(runtime));
    },
    apply: async (tx, items) => {
      // The news of all tenants is one mail, to those who run the installation.
      await actForAll(tx);
      for (const { item, prepared } of items) {
        let next: DueTime | undefined;
        if (prepared.kind === "sent") await finishMail(tx, { mailId: prepared.mailId, now: clock.now() });
        if (prepared.kind === "too_early") next = { at: prepared.nextTime };
        // What came in the meantime found this work planned and did not plan it again.
        else if ((await readAlertState(tx)).firstNewsTime) next = { inMs: 0 };
        if (next) await planDue(tx, [{ kind: alertKind, ...alertItem, due: next, cause: item.cause }]);
      }
    },
  });
}

function writeMail<Tables>({ transaction, clock }: Runtime<Tables>): Promise<StoredMail> {
  const mailId = `alert-${randomUUID()}`;
  return transaction(async (tx) => {
    await takeNews(tx, mailId);
    const mail = { mailId, ...renderAlert(await readNews(tx, mailId, alertBounds), clock.now()) };
    await saveMail(tx, mail);
    return mail;
  });
}

async function send<Tables>(
  { transaction, log }: Runtime<Tables>,
  { mailer, to, from }: AlertSettings,
  { mailId, subject, text, html }: StoredMail,
): Promise<Prepared> {
  try {
    await mailer.send({ to, from, subject, text, html, idempotencyKey: mailId });
  } catch (error) {
    if (error instanceof MailNotSent) await transaction((tx) => takeBackMail(tx, mailId));
    throw error;
  }
  log.info({ mailId, subject }, "alert_sent");
  return { kind: "sent", mailId };
}
