// News that waits to be told by mail, and the one mail that is under way.
import { sql, type Kysely, type Transaction } from "kysely";
import { notePlanned } from "#runtime/database/written-work.ts";
import { newId } from "#runtime/ids.ts";
import { childTraceparent } from "#runtime/request-context.ts";
import type { AlertNews, LetterGroup, LetterNews, ViolationNews } from "../domain/alerts.ts";

export const alertKind = "operations.alert";
/** One mail tells the news of all tenants: it is for those who run the installation. */
export const alertItem = { tenant: "all", key: "alert" } as const;

export interface StoredMail {
  mailId: string;
  subject: string;
  text: string;
  html: string;
}

interface NewsRow {
  kind: "letter" | "violation";
  subjectId: string;
  source: string;
  typeName: string;
  key: string;
  code: string;
  message: string;
  happenTime: Date;
}

/** Characters of a cause that are kept until the mail is written, which shows fewer still. */
const messageCharactersMax = 4_000;

/**
 * Notes what has just been opened and plans the mail about it. To be called in the transaction that opens it, as its last
 * statement: the planned row is held until the commit, so that a mail which ends at the same moment plans the next one.
 */
export async function planAlert<Tables>(
  tx: Transaction<Tables>,
  { now, letters = [], violations = [] }: { now: Date; letters?: readonly LetterNews[]; violations?: readonly ViolationNews[] },
): Promise<void> {
  const rows = [...letters.map(letterRow), ...violations.map(violationRow)];
  if (rows.length === 0) return;
  await sql`
    insert into alert_news (kind, subject_id, source, type_name, key, code, message, happen_time, write_time)
    select news.*, ${now}::timestamptz from unnest(
      ${rows.map((row) => row.kind)}::text[],
      ${rows.map((row) => row.subjectId)}::text[],
      ${rows.map((row) => row.source)}::text[],
      ${rows.map((row) => row.typeName)}::text[],
      ${rows.map((row) => row.key)}::text[],
      ${rows.map((row) => row.code)}::text[],
      ${rows.map((row) => row.message)}::text[],
      ${rows.map((row) => row.happenTime)}::timestamptz[]
    ) as news`.execute(tx);
  notePlanned(tx, 0);
  // A row that is there keeps its time: neither a wait for company nor a back-off starts again.
  await sql`
    insert into due_work (id, kind, tenant_id, key, due_time, cause_id, traceparent)
    values (${newId("due")}, ${alertKind}, ${alertItem.tenant}, ${alertItem.key}, ${now}, ${newId("req")},
      ${childTraceparent(undefined)})
    on conflict (kind, tenant_id, key) do update set due_time = due_work.due_time`.execute(tx);
}

/** A database takes no NUL, and an alert must not stop the letter that it is about. */
const keptMessage = (text: string): string => text.slice(0, messageCharactersMax).replaceAll("\u0000", " ");

const letterRow = (news: LetterNews): NewsRow => ({
  kind: "letter",
  subjectId: news.letterId,
  source: news.consumer,
  typeName: news.typeName,
  key: news.key,
  code: news.code,
  message: keptMessage(news.message),
  happenTime: news.failureTime,
});

const violationRow = (news: ViolationNews): NewsRow => ({
  kind: "violation",
  subjectId: news.violationId,
  source: news.check,
  typeName: "",
  key: news.key,
  code: "",
  message: keptMessage(news.message),
  happenTime: news.seenTime,
});

export interface AlertState {
  mail: StoredMail | undefined;
  /** Of what is in no mail yet. */
  firstNewsTime: Date | undefined;
  lastSentTime: Date | undefined;
}

export async function readAlertState<Tables>(db: Kysely<Tables>): Promise<AlertState> {
  const { rows } = await sql<{
    mail: StoredMail | null;
    firstNewsTime: Date | null;
    lastSentTime: Date | null;
  }>`
    select
      (select json_build_object('mailId', mail_id, 'subject', subject, 'text', text, 'html', html) from alert_mail) as mail,
      (select min(write_time) from alert_news where mail_id is null) as "firstNewsTime",
      (select last_sent_time from alert_mark) as "lastSentTime"`.execute(db);
  const row = rows[0];
  return {
    mail: row?.mail ?? undefined,
    firstNewsTime: row?.firstNewsTime ?? undefined,
    lastSentTime: row?.lastSentTime ?? undefined,
  };
}

/** Puts all news that is in no mail yet into this one. */
export async function takeNews<Tables>(tx: Transaction<Tables>, mailId: string): Promise<void> {
  await sql`update alert_news set mail_id = ${mailId} where mail_id is null`.execute(tx);
}

/** What a mail has to tell, counted by the database: there may be very much of it. */
export async function readNews<Tables>(
  tx: Transaction<Tables>,
  mailId: string,
  bounds: { groupsMax: number; lettersMax: number; violationsMax: number },
): Promise<AlertNews> {
  const totals = await sql<{ letters: number; violations: number }>`
    select (count(*) filter (where kind = 'letter'))::integer as letters,
      (count(*) filter (where kind = 'violation'))::integer as violations
    from alert_news where mail_id = ${mailId}`.execute(tx);
  const groups = await sql<LetterGroup & { groupsTotal: number }>`
    select source as consumer, type_name as "typeName", code, count(*)::integer as letters,
      (count(*) over ())::integer as "groupsTotal"
    from alert_news where mail_id = ${mailId} and kind = 'letter'
    group by source, type_name, code
    order by count(*) desc, source, type_name, code
    limit ${bounds.groupsMax}`.execute(tx);
  const firstLetters = await readFirst(tx, { mailId, kind: "letter", rowsMax: bounds.lettersMax });
  const firstViolations = await readFirst(tx, { mailId, kind: "violation", rowsMax: bounds.violationsMax });
  return {
    letters: totals.rows[0]?.letters ?? 0,
    violations: totals.rows[0]?.violations ?? 0,
    groups: groups.rows.map(({ consumer, typeName, code, letters }) => ({ consumer, typeName, code, letters })),
    groupsTotal: groups.rows[0]?.groupsTotal ?? 0,
    firstLetters: firstLetters.map(({ subjectId, source, typeName, key, code, message, happenTime }) => ({
      letterId: subjectId,
      consumer: source,
      typeName,
      key,
      code,
      message,
      failureTime: happenTime,
    })),
    firstViolations: firstViolations.map(({ subjectId, source, key, message, happenTime }) => ({
      violationId: subjectId,
      check: source,
      key,
      message,
      seenTime: happenTime,
    })),
  };
}

async function readFirst<Tables>(
  tx: Transaction<Tables>,
  { mailId, kind, rowsMax }: { mailId: string; kind: NewsRow["kind"]; rowsMax: number },
): Promise<NewsRow[]> {
  const { rows } = await sql<NewsRow>`
    select kind, subject_id as "subjectId", source, type_name as "typeName", key, code, message, happen_time as "happenTime"
    from alert_news where mail_id = ${mailId} and kind = ${kind} order by id limit ${rowsMax}`.execute(tx);
  return rows;
}

/** Fails where another mail is under way. */
export async function saveMail<Tables>(tx: Transaction<Tables>, mail: StoredMail): Promise<void> {
  await sql`
    insert into alert_mail (mail_id, subject, text, html)
    values (${mail.mailId}, ${mail.subject}, ${mail.text}, ${mail.html})`.execute(tx);
}

/** Takes a mail back that has certainly not been sent; its news goes into the next, with what has come since. */
export async function takeBackMail<Tables>(tx: Transaction<Tables>, mailId: string): Promise<void> {
  await sql`delete from alert_mail where mail_id = ${mailId}`.execute(tx);
  await sql`update alert_news set mail_id = null where mail_id = ${mailId}`.execute(tx);
}

/** Moves the mark: the mail and its news are done with. */
export async function finishMail<Tables>(tx: Transaction<Tables>, { mailId, now }: { mailId: string; now: Date }): Promise<void> {
  await sql`delete from alert_mail where mail_id = ${mailId}`.execute(tx);
  await sql`delete from alert_news where mail_id = ${mailId}`.execute(tx);
  await sql`
    insert into alert_mark (last_sent_time) values (${now})
    on conflict (single) do update set last_sent_time = greatest(alert_mark.last_sent_time, excluded.last_sent_time)`.execute(tx);
}
