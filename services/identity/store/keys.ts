// Reads and writes signing keys.
import { sql, type Transaction } from "kysely";
import { newId } from "#runtime/ids.ts";
import { makeSealedKey, type NewKey } from "./sealed-key.ts";
import type { IdentityTables } from "./tables.ts";

export interface StoredKey {
  keyId: string;
  publicJwk: NewKey["publicJwk"];
  privateSealed: Buffer;
  signTime: Date;
}

/** There are two or three at a time. */
export async function readKeys(tx: Transaction<IdentityTables>): Promise<StoredKey[]> {
  const read = await sql<StoredKey>`
    select key_id as "keyId", public_jwk as "publicJwk", private_sealed as "privateSealed", sign_time as "signTime"
    from signing_key`.execute(tx);
  return read.rows;
}

/** The keys, and nobody else makes or removes one until the transaction ends. Readers do not wait. */
export async function lockKeys(tx: Transaction<IdentityTables>): Promise<StoredKey[]> {
  await sql`lock table signing_key in share row exclusive mode`.execute(tx);
  return readKeys(tx);
}

export async function makeKey(
  tx: Transaction<IdentityTables>,
  sealingKey: Buffer,
  { now, signTime }: { now: Date; signTime: Date },
): Promise<{ keyId: string; signTime: Date }> {
  const keyId = newId("key");
  const { publicJwk, privateSealed } = makeSealedKey(sealingKey, keyId);
  await sql`
    insert into signing_key (key_id, public_jwk, private_sealed, create_time, sign_time)
    values (${keyId}, ${JSON.stringify(publicJwk)}, ${privateSealed}, ${now}, ${signTime})`.execute(tx);
  return { keyId, signTime };
}

export async function deleteKeys(tx: Transaction<IdentityTables>, keyIds: readonly string[]): Promise<void> {
  if (keyIds.length === 0) return;
  await sql`delete from signing_key where key_id = any(${[...keyIds]}::text[])`.execute(tx);
}
