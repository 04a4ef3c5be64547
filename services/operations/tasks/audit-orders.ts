// Walks through the orders, and compares each with what the other services have in their books about it.
import type { Kysely } from "kysely";
import { DeliveryService } from "#gen/ordermesh/delivery/v1/delivery_service_pb.ts";
import { OrdersAuditService } from "#gen/ordermesh/orders/v1/orders_audit_pb.ts";
import { eventStream } from "#runtime/events/streams.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { auditChange, auditHold, auditRestocked, auditReturnRefund } from "../domain/audit-changes.ts";
import {
  auditOrderMoney,
  auditOrderParcel,
  auditOrderStock,
  auditStuck,
  eventLost,
  isFinal,
  isYoung,
  type OrderBooks,
} from "../domain/audit-orders.ts";
import type { Finding } from "../domain/audit.ts";
import { findLetterKeys, findUnseenKeys, readReader } from "../store/audit/stream-keys.ts";
import type { OperationsTables } from "../store/tables.ts";
import { orderBooks, type Asked, type BooksReader } from "./audit-books.ts";
import { asking, auditPageSize, findingOf, type AuditPage, type AuditPlace } from "./audit-page.ts";
import type { AuditSettings } from "./audit-settings.ts";

/** The stream keeps events for seven days; of what is older nothing can be said. */
const streamKeepsMs = 7 * 86_400_000;

type Runtime = Pick<ServiceRuntime<OperationsTables>, "db" | "client" | "clientOf" | "clock">;

interface Compared {
  findings: Finding[];
  problems: Map<string, string>;
}

export function orderWalks(runtime: Runtime, books: BooksReader, settings: AuditSettings) {
  const { db, clock } = runtime;
  const { graceMs } = settings;
  const orders = runtime.client(OrdersAuditService);
  const delivery = runtime.clientOf(DeliveryService, "orders");

  const compareBooks = async (all: readonly OrderBooks[]): Promise<Compared> => {
    const now = clock.now();
    const settled = all.filter((order) => order.state !== "PENDING" && !isYoung(order, { now, graceMs }));
    if (settled.length === 0) return { findings: [], problems: new Map() };
    const ids = settled.map(({ orderId }) => orderId);
    const [reservations, payments, shipments] = await Promise.all([
      books.reservations(ids),
      books.payments(ids),
      books.shipments(ids),
    ]);
    return joined([
      compare("orders.stock", settled, reservations, auditOrderStock),
      compare("orders.money", settled, payments, auditOrderMoney),
      compare("orders.parcel", settled, shipments, auditOrderParcel),
      compare("orders.holds", settled, shipments, auditHold),
      compare("orders.returns", settled, payments, auditReturnRefund),
      compare("orders.restocked", settled, reservations, auditRestocked),
    ]);
  };

  const compareWaits = async (tenant: string, all: readonly OrderBooks[]): Promise<Compared> => {
    const now = clock.now();
    const late = all.filter((order) => !isFinal(order.state) && auditStuck(order, { now, graceMs, hasOpenLetter: false }));
    const explained = await lettersOf(db, tenant, late);
    const stuck = late.flatMap((order) => auditStuck(order, { now, graceMs, hasOpenLetter: explained.has(order.orderId) }) ?? []);
    const changes = all.flatMap((order) => auditChange(order, { now, graceMs }) ?? []);
    return { findings: [...stuck, ...changes], problems: new Map() };
  };

  const compareEvents = async (tenant: string, all: readonly OrderBooks[]): Promise<Compared> => {
    const reader = await readReader(db, eventStream);
    if (!reader?.caughtUpTime) return problemOf("events.lost", "the stream has not yet been read to its end");
    const since = Math.max(reader.coversSince.getTime(), clock.now().getTime() - streamKeepsMs);
    const until = reader.caughtUpTime.getTime() - graceMs;
    const readable = all.filter(({ releaseTime: time }) => time && time.getTime() > since && time.getTime() < until);
    const keys = readable.map(({ orderId }) => orderId);
    const unseen = keys.length === 0 ? [] : await findUnseenKeys(db, { service: "orders", tenant, keys });
    if (unseen.length === 0) return { findings: [], problems: new Map() };
    const written = await asking(delivery.findWritten({ service: "orders", eventName: "OrderCreated", keys: unseen }));
    if ("problem" in written) return problemOf("events.lost", written.problem);
    const known = new Set(written.answer.keys);
    const lost = new Set(unseen.filter((key) => !known.has(key)));
    // A letter that could not be published says by itself why its event is not there.
    const explained = await findLetterKeys(db, { tenant, keys: [...lost] });
    const findings = readable.filter(({ orderId }) => lost.has(orderId) && !explained.has(orderId)).map(eventLost);
    return { findings, problems: new Map() };
  };

  const compareAll = async (tenant: string, all: readonly OrderBooks[]): Promise<Compared> =>
    joined(await Promise.all([compareBooks(all), compareWaits(tenant, all), compareEvents(tenant, all)]));

  const walk =
    (openOnly: boolean) =>
    async ({ tenant, pageToken }: AuditPlace): Promise<AuditPage> => {
      const page = await orders.auditOrders({ pageSize: auditPageSize, pageToken, openOnly });
      const compared = await compareAll(tenant, page.orders.map(orderBooks));
      return {
        rowsChecked: Number(page.rowsChecked),
        findings: [...page.discrepancies.map(findingOf), ...compared.findings],
        problems: compared.problems,
        nextPageToken: page.nextPageToken,
      };
    };

  return {
    all: walk(false),
    open: walk(true),
    /** Looks once more at these orders of the tenant. */
    again: async (tenant: string, orderIds: string[]): Promise<Compared> =>
      compareAll(tenant, [...(await books.orders(orderIds)).values()]),
  };
}

function compare<Books>(
  check: string,
  orders: readonly OrderBooks[],
  asked: Asked<Books>,
  rule: (order: OrderBooks, books: Books | undefined) => Finding | undefined,
): Compared {
  if ("problem" in asked) return problemOf(check, asked.problem);
  return { findings: orders.flatMap((order) => rule(order, asked.byOrder.get(order.orderId)) ?? []), problems: new Map() };
}

const problemOf = (check: string, problem: string): Compared => ({ findings: [], problems: new Map([[check, problem]]) });

function joined(parts: readonly Compared[]): Compared {
  return {
    findings: parts.flatMap(({ findings }) => findings),
    problems: new Map(parts.flatMap(({ problems }) => [...problems])),
  };
}

async function lettersOf(db: Kysely<OperationsTables>, tenant: string, late: readonly OrderBooks[]): Promise<Set<string>> {
  return late.length === 0 ? new Set() : findLetterKeys(db, { tenant, keys: late.map(({ orderId }) => orderId) });
}
