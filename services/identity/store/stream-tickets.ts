// Reads and writes tickets of streams.
import { sql, type Transaction } from "kysely";
import type { JWTPayload } from "jose";
import type { IdentityTables } from "./tables.ts";

export interface StreamTicket {
  tenant: string;
  path: string;
  claims: JWTPayload;
  expireTime: Date;
}

export async function insertTicket(tx: Transaction<IdentityTables>, hash: Buffer, ticket: StreamTicket): Promise<void> {
  const { tenant, path, claims, expireTime } = ticket;
  await sql`
    insert into stream_ticket (ticket_hash, tenant_id, path, claims, expire_time)
    values (${hash}, ${tenant}, ${path}, ${JSON.stringify(claims)}::jsonb, ${expireTime})`.execute(tx);
}

/** Nobody takes it a second time. */
export async function takeTicket(tx: Transaction<IdentityTables>, hash: Buffer): Promise<StreamTicket | undefined> {
  const taken = await sql<StreamTicket>`
    delete from stream_ticket where ticket_hash = ${hash}
    returning tenant_id as tenant, path, claims, expire_time as "expireTime"`.execute(tx);
  return taken.rows[0];
}
