// What inventory tells of an order's history: what it holds for it, held, and sent.
import { sql, type Kysely } from "kysely";
import { factsMax, type AskedOrder, type TellHistory, type ToldFact, type ToldHistory } from "#runtime/history/told-history.ts";
import type { ReleaseReason, ReservationState } from "../domain/reservation.ts";
import type { InventoryTables, MovementKind } from "./tables.ts";

interface HistoryRow {
  state: ReservationState;
  releaseReason: ReleaseReason | null;
  expireTime: string | null;
  createTime: string;
  updateTime: string;
  lines: { sku: string; quantity: number }[];
  movements: { id: string; type: MovementKind; sku: string; quantity: number; time: string }[];
}

export function stockHistory(db: Kysely<InventoryTables>): TellHistory {
  return async (order) => {
    const row = await readHistory(db, order);
    return row ? toldOf(row) : { facts: [], waits: [] };
  };
}

async function readHistory(db: Kysely<InventoryTables>, { tenant, orderId }: AskedOrder): Promise<HistoryRow | undefined> {
  const read = await sql<HistoryRow>`
    select state, release_reason as "releaseReason", expire_time as "expireTime", create_time as "createTime",
      update_time as "updateTime",
      (
        select coalesce(json_agg(json_build_object('sku', sku, 'quantity', quantity) order by sku), '[]')
        from reservation_line line where line.tenant_id = reservation.tenant_id and line.order_id = reservation.order_id
      ) as lines,
      (
        select coalesce(json_agg(json_build_object('id', movement_id, 'type', type, 'sku', sku, 'quantity', quantity,
          'time', moved.create_time) order by moved.create_time, sku), '[]')
        from (
          select * from stock_movement movement
          where movement.tenant_id = reservation.tenant_id and movement.order_id = reservation.order_id and type = 'SHIPMENT'
          order by sku limit ${factsMax}
        ) as moved
      ) as movements
    from reservation where tenant_id = ${tenant} and order_id = ${orderId}`.execute(db);
  return read.rows[0];
}

function toldOf(row: HistoryRow): ToldHistory {
  const { state, expireTime } = row;
  const waits =
    state === "HELD" ? [{ text: "the order to be ready, or else the hold is given back", until: at(expireTime) }] : [];
  return { facts: [...heldFacts(row), ...changeFacts(row), ...row.movements.map(movementFact)], waits };
}

const at = (time: string | null): Date | undefined => (time === null ? undefined : new Date(time));

/** None of an order that was refused, or cancelled before it came. */
function heldFacts({ state, lines, createTime }: HistoryRow): ToldFact[] {
  if (state === "REFUSED" || lines.length === 0) return [];
  const units = lines.map(({ sku, quantity }) => `${quantity} of ${sku}`).join(", ");
  return [{ kind: "STOCK", name: "HELD", time: new Date(createTime), text: `holds ${units}`, toldBy: "StockReserved" }];
}

/** What became of the hold; of several changes the last. */
function changeFacts({ state, releaseReason, lines, updateTime }: HistoryRow): ToldFact[] {
  const time = new Date(updateTime);
  switch (state) {
    case "HELD":
      return [];
    case "FIRM":
      return [{ kind: "STOCK", name: "FIRM", time, text: "the hold is for good: the order is ready" }];
    case "SHIPPED":
      return [{ kind: "STOCK", name: "SHIPPED", time, text: "what was held has left" }];
    case "REFUSED":
      return [
        { kind: "DECISION", name: "REFUSED", time, text: "the stock is too short, nothing is held", toldBy: "StockInsufficient" },
      ];
    case "RELEASED": {
      const text = `${lines.length > 0 ? "the hold is given back" : "nothing will be held"}, because of ${releaseReason ?? "its end"}`;
      return [{ kind: "STOCK", name: "RELEASED", time, text, toldBy: "StockReleased" }];
    }
  }
}

const movementFact = ({ id, type, sku, quantity, time }: HistoryRow["movements"][number]): ToldFact => ({
  kind: "STOCK",
  name: type,
  id,
  time: new Date(time),
  text: `${quantity} of ${sku} on hand`,
});
