// Walks through what is held for orders, stock and money, and asks whether the order still needs it.
import { timestampDate, type Timestamp } from "@bufbuild/protobuf/wkt";
import { InventoryAuditService } from "#gen/ordermesh/inventory/v1/inventory_audit_pb.ts";
import { PaymentsAuditService } from "#gen/ordermesh/payments/v1/payments_audit_pb.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { auditHeld, type Held } from "../domain/audit-orders.ts";
import type { OperationsTables } from "../store/tables.ts";
import { paymentBooks, reservationBooks, type BooksReader } from "./audit-books.ts";
import { auditPageSize, type AuditPage, type AuditPlace } from "./audit-page.ts";
import type { AuditSettings } from "./audit-settings.ts";

const timeOf = (time: Timestamp | undefined): Date => (time ? timestampDate(time) : new Date(0));

export function heldWalks(
  { client, clock }: Pick<ServiceRuntime<OperationsTables>, "client" | "clock">,
  books: BooksReader,
  { sweepGraceMs: graceMs }: AuditSettings,
) {
  const inventory = client(InventoryAuditService);
  const payments = client(PaymentsAuditService);
  const pageSize = auditPageSize;

  const compare = async (held: Held[], nextPageToken: string): Promise<AuditPage> => {
    const orders = held.length === 0 ? new Map() : await books.orders(held.map(({ orderId }) => orderId));
    const now = clock.now();
    const findings = held.flatMap((one) => auditHeld(one, orders.get(one.orderId), { now, graceMs }) ?? []);
    return { rowsChecked: held.length, findings, problems: new Map(), nextPageToken };
  };

  return {
    holds: async ({ pageToken }: AuditPlace): Promise<AuditPage> => {
      const page = await inventory.listLiveReservations({ pageSize, pageToken });
      const held = page.reservations.map((entry): Held => {
        const { orderId, state, units } = reservationBooks(entry);
        return { orderId, check: "stock.stranded", state, figure: `${units} units`, updateTime: timeOf(entry.updateTime) };
      });
      return compare(held, page.nextPageToken);
    },
    heldPayments: async ({ pageToken }: AuditPlace): Promise<AuditPage> => {
      const page = await payments.listHeldPayments({ pageSize, pageToken });
      const resting = page.payments.filter(({ undoing }) => !undoing);
      const held = resting.map((entry): Held => {
        const { orderId, state, amount, currencyCode } = paymentBooks(entry);
        const figure = `${amount} ${currencyCode}`;
        return { orderId, check: "money.stranded", state, figure, updateTime: timeOf(entry.updateTime) };
      });
      return compare(held, page.nextPageToken);
    },
  };
}
