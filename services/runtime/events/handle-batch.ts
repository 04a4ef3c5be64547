// One batch, one transaction: fence, inbox, handlers. Either all of it is durable or nothing is.
import type { Transaction } from "kysely";
import { actFor, actForAll, byTenant } from "../database/scope.ts";
import { isDatabaseUnavailable } from "../errors.ts";
import { crashPoint } from "../faults.ts";
import { createGroup } from "../group.ts";
import type { Lease } from "../lease/lease-store.ts";
import { runInContext } from "../request-context.ts";
import type { Delivery } from "./delivery.ts";
import type { ReceivedEvent } from "./hearing.ts";
import { enterInbox, unparkEvents, type LeasedDeliveries } from "./inbox.ts";
import { groupForHandlers } from "./plan.ts";

/** Over all tenants: a batch has events of several. */
export interface BatchDatabase {
  transaction<Result>(work: (tx: Transaction<never>) => Promise<Result>): Promise<Result>;
}

export interface BatchHandler {
  /**
   * Handles what was not handled before. Throws what a handler throws, or LeaseLost; nothing of the batch then remains.
   * Where other partitions have a batch at the same moment, all go in one transaction: it costs hardly more than one.
   */
  handle(lease: Lease, deliveries: readonly Delivery[]): Promise<void>;
  /** The same in a transaction of its own, for what might take others with it. */
  handleAlone(lease: Lease, deliveries: readonly Delivery[]): Promise<void>;
}

export function createBatchHandler(database: BatchDatabase): BatchHandler {
  const batches = createGroup<LeasedDeliveries, void>({
    run: async (leased) => {
      await handleBatches(database, leased);
      return leased.map(() => undefined);
    },
    isOfOne: (error) => !isDatabaseUnavailable(error),
    itemsMax: Number.POSITIVE_INFINITY,
    inFlightMax: Number.POSITIVE_INFINITY,
    waitingMax: Number.POSITIVE_INFINITY,
  });
  return {
    handle: (lease, deliveries) => batches.add({ lease, deliveries }),
    handleAlone: (lease, deliveries) => handleBatches(database, [{ lease, deliveries }]),
  };
}

async function handleBatches(database: BatchDatabase, leased: readonly LeasedDeliveries[]): Promise<void> {
  const deliveries = leased.flatMap((one) => one.deliveries);
  if (deliveries.length === 0) return;
  const hearings = new Set(deliveries.map(({ hearing }) => hearing.name));
  await prepare(deliveries);
  await database.transaction(async (tx) => {
    const fresh = await enterInbox(tx, leased);
    // A repeat inside the batch has one inbox row: the first delivery counts.
    const toHandle = deliveries.filter((delivery) => fresh.delete(delivery.event.id) && !delivery.discarded);
    // Keys belong to tenants, so a key's order is kept inside its tenant's turn.
    for (const [tenant, own] of byTenant(toHandle, ({ event }) => event.tenant)) await handleOf(tx, tenant, own);
    const redriven = deliveries.filter((delivery) => delivery.redriven).map((delivery) => delivery.event.id);
    if (redriven.length > 0) await actForAll(tx);
    await unparkEvents(tx, redriven);
    for (const name of hearings) crashPoint(name, "before_commit");
  });
  for (const name of hearings) crashPoint(name, "after_commit");
}

async function prepare(deliveries: readonly Delivery[]): Promise<void> {
  const toPrepare = deliveries.filter(({ hearing, discarded }) => hearing.prepare && !discarded);
  for (const [tenant, own] of byTenant(toPrepare, ({ event }) => event.tenant)) {
    const { id = "", traceparent = "" } = own[0]?.event.cause ?? {};
    await runInContext({ requestId: id, traceparent, tenant }, async () => {
      for (const group of groupForHandlers(own)) {
        await group[0]?.hearing.prepare?.(group.map(({ event }) => event as ReceivedEvent<never>));
      }
    });
  }
}

/** What the handlers read and write is their tenant's, whatever they ask for. */
async function handleOf(tx: Transaction<never>, tenant: string, deliveries: readonly Delivery[]): Promise<void> {
  const { id = "", traceparent = "" } = deliveries[0]?.event.cause ?? {};
  await actFor(tx, tenant);
  await runInContext({ requestId: id, traceparent, tenant }, async () => {
    for (const group of groupForHandlers(deliveries)) {
      const events = group.map((delivery) => delivery.event as ReceivedEvent<never>);
      await group[0]?.hearing.handle(tx, events);
    }
  });
}
