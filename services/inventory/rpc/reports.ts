// ListInventoryReports: what was there, night by night.
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Kysely } from "kysely";
import type { ListInventoryReportsRequest } from "#gen/ordermesh/inventory/v1/inventory_service_pb.ts";
import { cutPage, pageSizeOf, readPageToken } from "#runtime/page-token.ts";
import { currentRequest } from "#runtime/request-context.ts";
import { readReports, type ReportRow } from "../store/reports.ts";
import type { InventoryTables } from "../store/tables.ts";

export async function listReports(db: Kysely<InventoryTables>, { pageSize, pageToken }: ListInventoryReportsRequest) {
  const rowsWanted = pageSizeOf(pageSize);
  const { tenant } = currentRequest();
  const found = await readReports(db, { tenant, before: readPageToken(pageToken), rowsMax: rowsWanted + 1 });
  const { rows, nextPageToken } = cutPage(found, rowsWanted, ({ key }) => key);
  return { reports: rows.map(reportMessage), nextPageToken };
}

const reportMessage = ({ reportTime, skus, onHand, reserved, lowStockSkus, lowStock }: ReportRow) => ({
  reportTime: timestampFromDate(reportTime),
  skus: BigInt(skus),
  onHand: BigInt(onHand),
  reserved: BigInt(reserved),
  lowStockSkus: BigInt(lowStockSkus),
  lowStock: lowStock.map((low) => ({
    sku: low.sku,
    onHand: BigInt(low.onHand),
    reserved: BigInt(low.reserved),
    threshold: BigInt(low.threshold),
  })),
});
