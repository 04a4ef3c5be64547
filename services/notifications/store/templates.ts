// Templates that shops have replaced or added.
import { sql, type Kysely, type Transaction } from "kysely";
import type { Template, TemplateKey } from "../domain/default-templates.ts";
import type { NotificationsTables } from "./tables.ts";

interface TemplateRow extends TemplateKey {
  subject: string;
  text: string;
  html: string;
  replaceTime: Date;
}

const templateColumns = sql`fact, channel, language, subject, text, html, update_time as "replaceTime"`;

const templateOf = ({ subject, text, html, ...row }: TemplateRow): Template => ({ ...row, content: { subject, text, html } });

export async function readTemplates(db: Kysely<NotificationsTables>, tenant: string): Promise<Template[]> {
  const read = await sql<TemplateRow>`
    select ${templateColumns} from template where tenant_id = ${tenant} order by fact, channel, language`.execute(db);
  return read.rows.map(templateOf);
}

/** Of one fact and channel, in the languages given. */
export async function findTemplates(
  db: Kysely<NotificationsTables>,
  wanted: { tenant: string; fact: string; channel: string; languages: readonly string[] },
): Promise<Template[]> {
  const read = await sql<TemplateRow>`
    select ${templateColumns} from template
    where tenant_id = ${wanted.tenant} and fact = ${wanted.fact} and channel = ${wanted.channel}
      and language = any(${[...wanted.languages]}::text[])`.execute(db);
  return read.rows.map(templateOf);
}

/** False where the shop has as many as it may have, and this would be another. */
export async function saveTemplate(
  tx: Transaction<NotificationsTables>,
  tenant: string,
  { template, templatesMax }: { template: Template; templatesMax: number },
): Promise<boolean> {
  const { fact, channel, language, content, replaceTime } = template;
  // Two at the same moment are counted one after the other.
  await sql`select pg_advisory_xact_lock(hashtext('notifications.template'), hashtext(${tenant}))`.execute(tx);
  const saved = await sql`
    insert into template (tenant_id, fact, channel, language, subject, text, html, update_time)
    select ${tenant}, ${fact}, ${channel}, ${language}, ${content.subject}, ${content.text}, ${content.html}, ${replaceTime}
    where (select count(*) from template where tenant_id = ${tenant}) < ${templatesMax}
      or exists (
        select from template
        where tenant_id = ${tenant} and fact = ${fact} and channel = ${channel} and language = ${language})
    on conflict (tenant_id, fact, channel, language) do update
      set subject = excluded.subject, text = excluded.text, html = excluded.html, update_time = excluded.update_time`.execute(tx);
  return (saved.numAffectedRows ?? 0n) > 0n;
}

/** The template as it was; undefined where the shop had none of its own. */
export async function deleteTemplate(
  tx: Transaction<NotificationsTables>,
  tenant: string,
  { fact, channel, language }: TemplateKey,
): Promise<Template | undefined> {
  const deleted = await sql<TemplateRow>`
    delete from template
    where tenant_id = ${tenant} and fact = ${fact} and channel = ${channel} and language = ${language}
    returning ${templateColumns}`.execute(tx);
  return deleted.rows.map(templateOf)[0];
}
