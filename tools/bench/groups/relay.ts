// How many rows of an outbox a relay publishes a second, beside a client that only publishes.
import { jetstream, jetstreamManager, type JetStreamClient, type JetStreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import pg from "pg";
import { eventStream } from "#runtime/events/streams.ts";
import { newSeries } from "../figures.ts";
import type { Group, GroupOptions } from "../group.ts";
import { startBenchServers } from "../mesh.ts";
import { probeName, productPayload, startProbe } from "../probe.ts";
import { untilTrue } from "../until.ts";

const events = 20_000;
const keys = 2_000;
/** As many as the relay has in flight. */
const inFlight = 128;
const limitStream = "BENCH";

/** Rows as transactions of ten events leave them, of a service that does not run at the time. */
async function fillOutbox(db: pg.Client): Promise<void> {
  const payload = Buffer.from(productPayload("prod_0123456789abcdefghjkmnpqrs"));
  for (let start = 0; start < events; start += 10) {
    await db.query({
      name: "fill",
      text: `insert into ${probeName}.outbox (event_id, type_name, tenant_id, key, sequence, event_time, cause_id, traceparent, payload)
        select 'evt_' || md5(random()::text), 'ordermesh.catalog.events.v1.ProductCreated', 'demo', 'key' || (n % $2), 0, now(),
          'req_bench', '', $3 from generate_series($1::integer, $1 + 9) as n`,
      values: [start, keys, payload],
    });
  }
}

/** The stream's own clock: from its first message to its last. */
async function perSecondOf(manager: JetStreamManager, stream: string): Promise<number> {
  const { state } = await manager.streams.info(stream);
  return (events - 1) / ((Date.parse(state.last_ts) - Date.parse(state.first_ts)) / 1_000);
}

async function untilStored(manager: JetStreamManager, stream: string): Promise<void> {
  await untilTrue(`${events} events in ${stream}`, async () => (await manager.streams.info(stream)).state.messages >= events);
}

async function publishBarely(js: JetStreamClient, manager: JetStreamManager): Promise<number> {
  await manager.streams.purge(limitStream);
  const payload = productPayload("prod_0123456789abcdefghjkmnpqrs");
  let next = 0;
  const publish = async (): Promise<void> => {
    while (next < events) {
      next += 1;
      await js.publish(`bench.${next % keys}`, payload, { msgID: `msg_${performance.now()}_${next}` });
    }
  };
  await Promise.all(Array.from({ length: inFlight }, publish));
  return perSecondOf(manager, limitStream);
}

export const relay: Group = {
  name: "relay",
  about: "outbox rows published a second, against bare publishing",
  run: async ({ repeats, say }: GroupOptions) => {
    const { backing, close } = await startBenchServers();
    const db = new pg.Client({ connectionString: backing.databaseUrl });
    const connection = await connect({ servers: backing.natsUrl });
    const series = newSeries({ name: "relay", variant: "outbox → stream", unit: "events/s", limitName: "bare publishing" });
    try {
      await db.connect();
      const manager = await jetstreamManager(connection);
      await manager.streams.add({ name: limitStream, subjects: ["bench.>"] });
      // Makes the tables and the stream.
      await (await startProbe(backing, { listens: false })).close();
      for (let round = 1; round <= repeats; round += 1) {
        say(`relay: round ${round} of ${repeats}`);
        const limit = await publishBarely(jetstream(connection), manager);
        await manager.streams.purge(eventStream);
        await fillOutbox(db);
        const host = await startProbe(backing, { listens: false });
        await untilStored(manager, eventStream);
        await host.close();
        series.runs.push({ value: await perSecondOf(manager, eventStream), limit });
      }
      return [series];
    } finally {
      await connection.close();
      await db.end();
      await close();
    }
  },
};
