// The least that a chain of services could take on these servers: a commit, a publish and a delivery for each step.
import { AckPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import pg from "pg";

export interface Limit {
  /** Milliseconds for a chain of commits with a published and delivered event between each two. */
  measure(commits: number): Promise<number>;
  close(): Promise<void>;
}

const payload = new Uint8Array(300);

/** Bare pg and a bare consumer; a stream and a table of its own. */
export async function openLimit({ databaseUrl, natsUrl }: { databaseUrl: string; natsUrl: string }): Promise<Limit> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query("create table if not exists bench_limit (id bigint generated always as identity, payload bytea)");
  const connection = await connect({ servers: natsUrl });
  const manager = await jetstreamManager(connection);
  await manager.streams.add({ name: "BENCH", subjects: ["bench.>"] });
  await manager.consumers.add("BENCH", { durable_name: "bench", ack_policy: AckPolicy.Explicit });
  const js = jetstream(connection);
  const messages = await (await js.consumers.get("BENCH", "bench")).consume();
  const arrivals = messages[Symbol.asyncIterator]();
  return {
    measure: async (commits) => {
      const startedMs = performance.now();
      for (let step = 0; step < commits; step += 1) {
        await client.query({
          name: "bench",
          text: "insert into bench_limit (payload) values ($1)",
          values: [Buffer.from(payload)],
        });
        if (step === commits - 1) break;
        await js.publish("bench.step", payload);
        const { value } = await arrivals.next();
        value?.ack();
      }
      return performance.now() - startedMs;
    },
    close: async () => {
      messages.stop();
      await manager.streams.delete("BENCH");
      await connection.close();
      await client.query("drop table bench_limit");
      await client.end();
    },
  };
}
