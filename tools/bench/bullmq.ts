// The same work as jobs of BullMQ on a Redis of the benchmark's own, whose log is written at every command as a NATS is here.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { Queue, Worker } from "bullmq";
import pg from "pg";
import { freePort } from "#runtime/backing/free-port.ts";
import { untilTrue } from "./until.ts";

export interface JobQueue {
  /** Jobs done a second, of so many that were added before. */
  measure(jobs: number): Promise<number>;
  close(): Promise<void>;
}

const host = "127.0.0.1";
const queueName = "bench";
/** Where BullMQ did not get faster any more on two cores. */
const concurrency = 64;
const connections = 10;
const addedAtOnce = 1_000;

export async function findRedis(): Promise<string | undefined> {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    const path = join(folder, "redis-server");
    const isThere = await access(path).then(
      () => true,
      () => false,
    );
    if (isThere) return path;
  }
  return undefined;
}

export async function openBullMq(redisServer: string, databaseUrl: string): Promise<JobQueue> {
  const folder = await mkdtemp(join(tmpdir(), "ordermesh-redis-"));
  const port = await freePort();
  const args = ["--port", port, "--bind", host, "--dir", folder, "--appendonly", "yes", "--appendfsync", "always"];
  const redis = spawn(redisServer, args.map(String), { stdio: "ignore" });
  const pool = new pg.Pool({ connectionString: databaseUrl, max: connections });
  const connection = { host, port, maxRetriesPerRequest: null };
  const queue = new Queue(queueName, { connection });
  queue.on("error", () => {});
  const close = async (): Promise<void> => {
    await queue.close().catch(() => {});
    await pool.end();
    const ended = once(redis, "exit");
    if (redis.exitCode === null && redis.kill()) await ended;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await queue.waitUntilReady();
    await pool.query("create table if not exists bench_job (id text primary key, key text not null, label text not null)");
    return { measure: (jobs) => measure({ queue, pool, connection }, jobs), close };
  } catch (error) {
    await close();
    throw error;
  }
}

interface Place {
  queue: Queue;
  pool: pg.Pool;
  connection: { host: string; port: number; maxRetriesPerRequest: null };
}

async function measure({ queue, pool, connection }: Place, jobs: number): Promise<number> {
  await pool.query("truncate bench_job");
  const data = { key: "key", label: "a product of the benchmark, with a title of a usual length" };
  for (let start = 0; start < jobs; start += addedAtOnce) {
    await queue.addBulk(Array.from({ length: Math.min(addedAtOnce, jobs - start) }, () => ({ name: "write", data })));
  }
  let done = 0;
  const startMs = performance.now();
  const worker = new Worker<typeof data>(
    queueName,
    async (job) => {
      // Not once more where it was done before: what the inbox is for the runtime.
      await pool.query({
        name: "write",
        text: "insert into bench_job (id, key, label) values ($1, $2, $3) on conflict do nothing",
        values: [job.id, job.data.key, job.data.label],
      });
    },
    { connection, concurrency },
  );
  worker.on("completed", () => (done += 1));
  worker.on("error", () => {});
  await untilTrue(`${jobs} jobs done`, () => Promise.resolve(done >= jobs));
  const perSecond = (jobs * 1_000) / (performance.now() - startMs);
  await worker.close();
  await queue.obliterate({ force: true });
  return perSecond;
}
