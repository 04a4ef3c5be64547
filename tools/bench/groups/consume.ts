// How many events a second go through the consumer runtime, each with its inbox row and a row of effect in one transaction,
// beside a consumer that only acknowledges.
import { AckPolicy, jetstream, jetstreamManager, type JetStreamClient, type JetStreamManager } from "@nats-io/jetstream";
import { connect, headers } from "@nats-io/transport-node";
import pg from "pg";
import { eventStream } from "#runtime/events/streams.ts";
import { findRedis, openBullMq, type JobQueue } from "../bullmq.ts";
import { newSeries, type Series } from "../figures.ts";
import type { Group, GroupOptions } from "../group.ts";
import { startBenchServers } from "../mesh.ts";
import { probeName, productPayload, startProbe } from "../probe.ts";
import { untilTrue } from "../until.ts";

const events = 20_000;
const inFlight = 256;
const pulledAtOnce = 512;
const bareConsumer = "bench_bare";

async function publishEvents(js: JetStreamClient, round: number): Promise<void> {
  let next = 0;
  const typeName = "ordermesh.catalog.events.v1.ProductCreated";
  const publish = async (): Promise<void> => {
    while (next < events) {
      const index = next++;
      const id = `evt_${round}_${index}`;
      const sent = headers();
      sent.set("ce-id", id);
      sent.set("ce-type", typeName);
      sent.set("ce-time", new Date().toISOString());
      // A subject of its own, as the events of orders have. Where subjects come often, nats-server 2.15.1 looks for the next
      // message of a consumer with several filters among all subjects, and delivers some 2,700 a second at 2,000 of them.
      const key = `key${index}`;
      await js.publish(`${typeName}.demo.${key}`, productPayload(key), { headers: sent, msgID: id });
    }
  };
  await Promise.all(Array.from({ length: inFlight }, publish));
}

/** From its first message to the last acknowledgement. */
async function consumeBarely(js: JetStreamClient, manager: JetStreamManager): Promise<number> {
  await manager.consumers.add(eventStream, {
    durable_name: bareConsumer,
    ack_policy: AckPolicy.Explicit,
    max_ack_pending: pulledAtOnce * 4,
  });
  const messages = await (await js.consumers.get(eventStream, bareConsumer)).consume({ max_messages: pulledAtOnce });
  let startMs = 0;
  let received = 0;
  for await (const message of messages) {
    if (received === 0) startMs = performance.now();
    message.ack();
    received += 1;
    if (received === events) break;
  }
  const perSecond = (events * 1_000) / (performance.now() - startMs);
  await manager.consumers.delete(eventStream, bareConsumer);
  return perSecond;
}

/** By the database's clock, from the first row of effect to the last. */
async function consumeByRuntime(start: () => ReturnType<typeof startProbe>, db: pg.Client): Promise<number> {
  await db.query(`truncate ${probeName}.effect, ${probeName}.inbox`);
  const host = await start();
  const count = async (): Promise<number> =>
    (await db.query<{ count: number }>(`select count(*)::integer as count from ${probeName}.effect`)).rows[0]?.count ?? 0;
  await untilTrue(`${events} rows of effect`, async () => (await count()) >= events);
  await host.close();
  const read = await db.query<{ seconds: number }>(
    `select extract(epoch from max(time) - min(time))::float8 as seconds from ${probeName}.effect`,
  );
  return events / (read.rows[0]?.seconds ?? Number.NaN);
}

export const consume: Group = {
  name: "consume",
  about: "events a second with inbox and a row of effect, against a bare consumer, and against BullMQ where there is a Redis",
  run: async ({ repeats, say }: GroupOptions) => {
    const { backing, close } = await startBenchServers();
    const db = new pg.Client({ connectionString: backing.databaseUrl });
    const connection = await connect({ servers: backing.natsUrl });
    const about = { name: "consume", unit: "events/s" };
    const bare: Series = newSeries({ ...about, variant: "runtime", limitName: "bare consumer" });
    const bullMq: Series = newSeries({ ...about, variant: "runtime", limitName: "BullMQ, the same row" });
    let queue: JobQueue | undefined;
    try {
      await db.connect();
      // Makes the tables, the stream and the consumers.
      await (await startProbe(backing, { listens: true })).close();
      const redis = await findRedis();
      if (redis === undefined) say("consume: no redis-server is installed, so BullMQ is left out");
      else queue = await openBullMq(redis, backing.databaseUrl);
      const manager = await jetstreamManager(connection);
      const js = jetstream(connection);
      for (let round = 1; round <= repeats; round += 1) {
        say(`consume: round ${round} of ${repeats}`);
        await manager.streams.purge(eventStream);
        await publishEvents(js, round);
        const limit = await consumeBarely(js, manager);
        const value = await consumeByRuntime(() => startProbe(backing, { listens: true }), db);
        bare.runs.push({ value, limit });
        if (queue) bullMq.runs.push({ value, limit: await queue.measure(events) });
      }
      return queue ? [bare, bullMq] : [bare];
    } finally {
      await queue?.close();
      await connection.close();
      await db.end();
      await close();
    }
  },
};
