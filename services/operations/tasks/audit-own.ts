// Walks through the books of one service each, which proves them by itself.
import { InventoryAuditService } from "#gen/ordermesh/inventory/v1/inventory_audit_pb.ts";
import { PaymentsAuditService } from "#gen/ordermesh/payments/v1/payments_audit_pb.ts";
import { ShippingAuditService } from "#gen/ordermesh/shipping/v1/shipping_audit_pb.ts";
import type { Discrepancy } from "#gen/ordermesh/audit/v1/audit_pb.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import type { OperationsTables } from "../store/tables.ts";
import { auditPageSize, findingOf, type AuditPage, type AuditPlace } from "./audit-page.ts";

interface OwnAnswer {
  rowsChecked: bigint;
  discrepancies: Discrepancy[];
  nextPageToken: string;
}

const pageOf = ({ rowsChecked, discrepancies, nextPageToken }: OwnAnswer): AuditPage => ({
  rowsChecked: Number(rowsChecked),
  findings: discrepancies.map(findingOf),
  problems: new Map(),
  nextPageToken,
});

export function ownBooks({ client }: Pick<ServiceRuntime<OperationsTables>, "client">) {
  const inventory = client(InventoryAuditService);
  const payments = client(PaymentsAuditService);
  const shipping = client(ShippingAuditService);
  const pageSize = auditPageSize;
  return {
    stock: async ({ pageToken }: AuditPlace) => pageOf(await inventory.auditStock({ pageSize, pageToken })),
    payments: async ({ pageToken }: AuditPlace) => pageOf(await payments.auditPayments({ pageSize, pageToken })),
    shipments: async ({ pageToken }: AuditPlace) => pageOf(await shipping.auditShipments({ pageSize, pageToken })),
  };
}
