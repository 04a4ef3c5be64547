// Requests for changes by hand: claimed once, answered with the first answer.
import { sql, type Transaction } from "kysely";
import type { StockRow } from "./stock.ts";
import type { InventoryTables } from "./tables.ts";

interface RequestOfTenant {
  tenant: string;
  requestId: string;
}

/** What a request was answered with. */
export type AdjustAnswer = Pick<StockRow, "onHand" | "reserved" | "lowStockThreshold" | "updateTime">;

export type Claim = { kind: "mine" } | { kind: "repeat"; answer: AdjustAnswer } | { kind: "other_content" };

/** Claims a request id. A repeat waits here until the first has committed or failed. */
export async function claimAdjustment(
  tx: Transaction<InventoryTables>,
  request: RequestOfTenant & { contentHash: Buffer },
): Promise<Claim> {
  const { tenant, requestId, contentHash } = request;
  const claimed = await sql`
    insert into adjust_request (tenant_id, request_id, content_hash) values (${tenant}, ${requestId}, ${contentHash})
    on conflict do nothing`.execute(tx);
  if (claimed.numAffectedRows === 1n) return { kind: "mine" };
  const read = await sql<AdjustAnswer & { contentHash: Buffer }>`
    select content_hash as "contentHash", on_hand as "onHand", reserved, low_stock_threshold as "lowStockThreshold",
      update_time as "updateTime"
    from adjust_request where tenant_id = ${tenant} and request_id = ${requestId}`.execute(tx);
  const [row] = read.rows;
  if (!row) throw new Error("a claimed request has gone");
  return row.contentHash.equals(contentHash) ? { kind: "repeat", answer: row } : { kind: "other_content" };
}

export async function saveAdjustAnswer(
  tx: Transaction<InventoryTables>,
  request: RequestOfTenant & { movementId: string; answer: AdjustAnswer },
): Promise<void> {
  const { tenant, requestId, movementId, answer } = request;
  await sql`
    update adjust_request
    set movement_id = ${movementId}, on_hand = ${answer.onHand}, reserved = ${answer.reserved},
        low_stock_threshold = ${answer.lowStockThreshold}, update_time = ${answer.updateTime}
    where tenant_id = ${tenant} and request_id = ${requestId} and movement_id is null`.execute(tx);
}
