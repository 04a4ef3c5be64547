// One batch, one transaction: fence, inbox, handlers. Either all of it is durable or nothing is.
import type { Transaction } from "kysely";
import { crashPoint } from "../faults.ts";
import type { Lease } from "../lease/lease-store.ts";
import { runInContext } from "../request-context.ts";
import type { Delivery } from "./delivery.ts";
import type { ReceivedEvent } from "./hearing.ts";
import { enterInbox, unparkEvents } from "./inbox.ts";
import { groupForHandlers } from "./plan.ts";

export interface BatchDatabase {
  transaction<Result>(work: (tx: Transaction<never>) => Promise<Result>): Promise<Result>;
}

/** Handles what was not handled before. Throws what a handler throws; nothing of the batch then remains. */
export async function handleBatch(database: BatchDatabase, lease: Lease, deliveries: readonly Delivery[]): Promise<void> {
  const first = deliveries[0];
  if (!first) return;
  const { id, traceparent } = first.event.cause;
  const hearings = new Set(deliveries.map(({ hearing }) => hearing.name));
  await runInContext({ requestId: id, traceparent, tenant: first.event.tenant }, () =>
    database.transaction(async (tx) => {
      const fresh = await enterInbox(tx, lease, deliveries);
      // A repeat inside the batch has one inbox row: the first delivery counts.
      const toHandle = deliveries.filter((delivery) => fresh.delete(delivery.event.id) && !delivery.discarded);
      for (const group of groupForHandlers(toHandle)) {
        const hearing = group[0]?.hearing;
        await hearing?.handle(
          tx,
          group.map((delivery) => delivery.event as ReceivedEvent<never>),
        );
      }
      await unparkEvents(
        tx,
        deliveries.filter((delivery) => delivery.redriven).map((delivery) => delivery.event.id),
      );
      for (const name of hearings) crashPoint(name, "before_commit");
    }),
  );
  for (const name of hearings) crashPoint(name, "after_commit");
}
