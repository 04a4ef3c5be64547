// What an audit looks for has an index, and a parcel that was brought on by hand says why.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  // Parcels on their way are few beside all that ever were.
  await sql`
    create index shipment_under_way on shipment (tenant_id, order_id) where state in ('CREATED', 'DISPATCHED')`.execute(db);
  await sql`
    create table resumption (
      id bigint generated always as identity primary key,
      tenant_id text not null,
      order_id text not null,
      step text not null check (step in ('shipping.dispatch', 'shipping.deliver')),
      reason text not null,
      request_id text not null,
      create_time timestamptz not null,
      foreign key (tenant_id, order_id) references shipment
    )`.execute(db);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop table resumption`.execute(db);
  await sql`drop index shipment_under_way`.execute(db);
}
