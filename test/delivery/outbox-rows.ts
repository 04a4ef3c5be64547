// Rows of an outbox that nobody has decided on, as many as a test wants.
import { sql, type RawBuilder } from "kysely";
import { tenant, type Probe } from "./probe.ts";

/** Events of keys of their own. */
export const writeOutbox = (count: number): RawBuilder<unknown> => sql`
  insert into outbox (event_id, type_name, tenant_id, key, sequence, event_time, cause_id, traceparent, payload)
  select 'evt_' || number, 'some.type', ${tenant}, number::text, 1, now(), 'req_test', '', ''
  from generate_series(1, ${count}::integer) number`;

/** The same, as the relay leaves them behind. */
export async function writePublished({ transaction }: Probe["runtime"], count: number): Promise<void> {
  await transaction(async (tx) => {
    await writeOutbox(count).execute(tx);
    await sql`update relay_cursor set xid = pg_current_xact_id(), id = (select max(id) from outbox)`.execute(tx);
  });
}
