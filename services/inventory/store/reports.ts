// Reports: the stock of all shops counted up in one statement, and so at one moment; read by shop.
import { sql, type Kysely, type Transaction } from "kysely";
import type { InventoryTables } from "./tables.ts";

export interface LowStockRow {
  sku: string;
  onHand: number;
  reserved: number;
  threshold: number;
}

export interface ReportRow {
  reportTime: Date;
  skus: number;
  onHand: number;
  reserved: number;
  lowStockSkus: number;
  lowStock: LowStockRow[];
}

const lowStockMax = 1_000;
const keptFor = "400 days";

/** Answers of how many shops. Old reports go. */
export async function writeReports(tx: Transaction<InventoryTables>): Promise<number> {
  const written = await sql`
    insert into inventory_report (tenant_id, report_time, skus, on_hand, reserved, low_stock_skus, low_stock)
    select tenant_id, now(), count(*), sum(on_hand), sum(reserved), count(*) filter (where is_low),
      coalesce(
        jsonb_agg(
          jsonb_build_object('sku', sku, 'onHand', on_hand, 'reserved', reserved, 'threshold', low_stock_threshold) order by sku
        ) filter (where is_low and place <= ${lowStockMax}),
        '[]'
      )
    from (
      select *, row_number() over (partition by tenant_id, is_low order by sku) as place
      from (select *, on_hand < low_stock_threshold as is_low from stock) as judged
    ) as counted
    group by tenant_id
    on conflict do nothing`.execute(tx);
  await sql`delete from inventory_report where report_time < now() - ${keptFor}::interval`.execute(tx);
  return Number(written.numAffectedRows ?? 0n);
}

/** Newest first. */
export async function readReports(
  db: Kysely<InventoryTables>,
  { tenant, before, rowsMax }: { tenant: string; before: string | undefined; rowsMax: number },
): Promise<(ReportRow & { key: string })[]> {
  const read = await sql<ReportRow & { key: string }>`
    select report_time as "reportTime", skus, on_hand as "onHand", reserved, low_stock_skus as "lowStockSkus",
      low_stock as "lowStock", to_char(report_time at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as key
    from inventory_report
    where tenant_id = ${tenant} and report_time < coalesce(${before ?? null}::timestamptz, 'infinity')
    order by report_time desc limit ${rowsMax}`.execute(db);
  return read.rows;
}
