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
  /** Changes of the order for which something was to be held, or that are over, oldest first. */
  changes: { id: string; added: { sku: string; quantity: number }[]; time: string; endTime: string | null }[];
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
          where movement.tenant_id = reservation.tenant_id and movement.order_id = reservation.order_id 
            and type in ('SHIPMENT', 'RETURN')
          order by movement_id limit ${factsMax}
        ) as moved
      ) as movements,
      (
        select coalesce(json_agg(json_build_object('id', change_id, 'added', added, 'time', changed.create_time,
          'endTime', end_time) order by changed.create_time, change_id), '[]')
        from (
          select * from reservation_change change
          where change.tenant_id = reservation.tenant_id and change.order_id = reservation.order_id
          order by create_time, change_id limit ${factsMax}
        ) as changed
      ) as changes
    from reservation where tenant_id = ${tenant} and order_id = ${orderId}`.execute(db);
  return read.rows[0];
}

function toldOf(row: HistoryRow): ToldHistory {
  const { state, expireTime } = row;
  const waits =
    state === "HELD" ? [{ text: "the order to be ready, or else the hold is given back", until: at(expireTime) }] : [];
  const facts = [...heldFacts(row), ...row.changes.flatMap((change) => addedFacts(change, row)), ...endFacts(row)];
  return { facts: [...facts, ...row.movements.map(movementFact)], waits };
}

const at = (time: string | null): Date | undefined => (time === null ? undefined : new Date(time));

/** None of an order that was refused, or cancelled before it came. */
function heldFacts({ state, lines, createTime, changes }: HistoryRow): ToldFact[] {
  if (state === "REFUSED" || lines.length === 0) return [];
  // What it was before a change is not kept.
  const text = changes.length > 0 ? "holds what was ordered" : `holds ${unitsText(lines)}`;
  return [{ kind: "STOCK", name: "HELD", time: new Date(createTime), text, toldBy: "StockReserved" }];
}

const unitsText = (lines: readonly { sku: string; quantity: number }[]): string =>
  lines.map(({ sku, quantity }) => `${quantity} of ${sku}`).join(", ");

/** What is held besides for a change, and, where it is the last one, for what the hold is since. */
function addedFacts({ id, added, time, endTime }: HistoryRow["changes"][number], { lines, changes }: HistoryRow): ToldFact[] {
  const facts: ToldFact[] = [];
  if (added.length > 0) {
    const text = `holds ${unitsText(added)} more, for a change of the order`;
    facts.push({ kind: "STOCK", name: "ADDED", id, time: new Date(time), text, toldBy: "ReserveChange" });
  }
  if (endTime !== null) {
    const since = id === changes.at(-1)?.id && lines.length > 0 ? `: holds ${unitsText(lines)} now` : "";
    facts.push({
      kind: "STOCK",
      name: "CHANGE_OVER",
      id,
      time: new Date(endTime),
      text: `a change of the order is over${since}`,
    });
  }
  return facts;
}

/** What became of the hold in the end. */
function endFacts({ state, releaseReason, lines, updateTime }: HistoryRow): ToldFact[] {
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
  text: `${quantity > 0 ? "+" : ""}${quantity} of ${sku} on hand${type === "RETURN" ? ", come back from the buyer" : ""}`,
});
