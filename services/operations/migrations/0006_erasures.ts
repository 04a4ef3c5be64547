// Orders whose customer is erased: what a letter of theirs holds is kept no longer than somebody may send it again.
import { sql, type Kysely } from "kysely";
import { isolateTenants, releaseTables } from "#runtime/database/tenant-policy.ts";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table erased_order (
      tenant_id text not null,
      order_id text not null,
      erase_time timestamptz not null,
      primary key (tenant_id, order_id)
    )`.execute(db);
  await isolateTenants(db, ["erased_order"]);
  await sql`
    create function forget_payload_of_erased() returns trigger language plpgsql as $$
    begin
      if exists (select from erased_order where tenant_id = new.tenant_id and order_id = new.key) then
        new.payload = null;
      end if;
      return new;
    end $$`.execute(db);
  // Whichever way a letter is closed.
  await sql`
    create trigger dead_letter_forgets before insert or update on dead_letter
    for each row when (new.state in ('resolved', 'discarded') and new.send_kind is null and new.payload is not null)
    execute function forget_payload_of_erased()`.execute(db);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop trigger dead_letter_forgets on dead_letter`.execute(db);
  await sql`drop function forget_payload_of_erased`.execute(db);
  await releaseTables(db, ["erased_order"]);
  await sql`drop table erased_order`.execute(db);
}
