// Seals what was written since the last seal: afterwards and in one instance of the service, so that no writer waits for another.
import { AuditLogSealedSchema } from "#gen/ordermesh/auditlog/events/v1/auditlog_events_pb.ts";
import type { Background } from "../background.ts";
import type { Clock } from "../clock.ts";
import type { Handle } from "../database/connect.ts";
import { appendEvents } from "../events/outbox.ts";
import { outgoing } from "../events/outgoing.ts";
import { newId } from "../ids.ts";
import type { LeasedTask } from "../lease/lease-keeper.ts";
import { holdLease, type Lease } from "../lease/lease-store.ts";
import { childTraceparent } from "../request-context.ts";
import { createWakeUp } from "../wake-up.ts";
import { noHash, sealEvent, sealHash, sealTenant, type SealContent } from "./seal.ts";
import { insertSeal, readLastSeal, readUnsealed } from "./seal-store.ts";

/** What is younger is not protected yet. Milliseconds. */
const sealEveryMs = 2_000;
/** A seal is an event, which has a largest size. */
const entriesMax = 2_000;

export interface SealOptions<Tables> {
  service: string;
  /** Over all tenants. */
  database: Handle<Tables>;
  background: Background;
  clock: Clock;
}

export function sealTask<Tables>(options: SealOptions<Tables>): LeasedTask {
  return {
    name: "audit_log_seal",
    run: async (lease, signal) => {
      const pause = createWakeUp();
      while (!signal.aborted) {
        const sealed = await options.background.run(() => sealNext(options, lease));
        if (sealed < entriesMax) await pause.wait(sealEveryMs, signal);
      }
    },
  };
}

/** Answers how many entries it has sealed. Without a lease nobody else may seal. */
export async function sealNext<Tables>(options: SealOptions<Tables>, lease?: Lease): Promise<number> {
  const { service, clock } = options;
  const { db, transaction } = options.database;
  const last = await readLastSeal(db, service);
  const entries = await readUnsealed(db, { xid: last?.lastXid ?? "0", id: last?.lastId ?? 0 }, entriesMax);
  const newest = entries.at(-1);
  if (!newest) return 0;
  const content: SealContent = {
    service,
    number: (last?.number ?? 0) + 1,
    entryIds: entries.map(({ id }) => id),
    entryHashes: Buffer.concat(entries.map(({ hash }) => hash)),
    lastXid: newest.xid,
    lastId: newest.id,
    previousHash: last?.hash ?? noHash,
    timeMs: clock.now().getTime(),
  };
  const seal = { ...content, hash: sealHash(content) };
  const cause = { id: newId("req"), traceparent: childTraceparent(undefined) };
  const about = { tenant: sealTenant, sequence: seal.number, time: new Date(seal.timeMs), cause };
  await transaction(async (tx) => {
    if (lease) await holdLease(tx, lease);
    // Two with the same number cannot be: the second fails, and begins again after the first.
    await insertSeal(tx, seal);
    await appendEvents(tx, [outgoing(AuditLogSealedSchema, sealEvent(seal), about)]);
  });
  return entries.length;
}
