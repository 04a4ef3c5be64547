// What the mesh and its servers have used so far: counters, of which the difference counts.
import { setTimeout as sleep } from "node:timers/promises";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import type pg from "pg";
import { eventStream } from "#runtime/events/streams.ts";
import { cpuMs, cpuMsOfFamily } from "./cpu.ts";
import type { BenchMesh } from "./mesh.ts";

export const usageUnits = {
  transactions: "",
  statements: "",
  "packets to the database": "",
  "write-ahead log": "bytes",
  "flushes of it": "",
  events: "",
  "events as stored": "bytes",
  "processor time of the mesh": "ms",
  "processor time of PostgreSQL": "ms",
  "processor time of nats-server": "ms",
} as const;

export type Usage = Record<keyof typeof usageUnits, number>;

export const usageNames = Object.keys(usageUnits) as (keyof Usage)[];

/** Backends tell what they have counted at most once a second. */
const toldAfterMs = 1_500;

export async function readUsage({ rpcUrl, pid, serverPids, backing }: BenchMesh, db: pg.Client): Promise<Usage> {
  await sleep(toldAfterMs);
  const pids = await serverPids();
  const [own, postgres, nats] = await Promise.all([cpuMs(pid()), cpuMsOfFamily(pids.postgres), cpuMs(pids.nats)]);
  return {
    ...(await databaseUsage(db)),
    ...(await sendingUsage(rpcUrl)),
    ...(await streamUsage(backing.natsUrl)),
    "processor time of the mesh": own ?? Number.NaN,
    "processor time of PostgreSQL": postgres ?? Number.NaN,
    "processor time of nats-server": nats ?? Number.NaN,
  };
}

async function databaseUsage(db: pg.Client) {
  const read = await db.query<{ transactions: number; walBytes: number; flushes: number }>(
    `select xact_commit::float8 as transactions, (pg_current_wal_insert_lsn() - '0/0')::float8 as "walBytes",
       (select sum(fsyncs) from pg_stat_io where object = 'wal')::float8 as flushes
     from pg_stat_database where datname = current_database()`,
  );
  const { transactions = Number.NaN, walBytes = Number.NaN, flushes = Number.NaN } = read.rows[0] ?? {};
  return { transactions, "write-ahead log": walBytes, "flushes of it": flushes };
}

async function sendingUsage(rpcUrl: string) {
  const text = await (await fetch(new URL("/metrics", rpcUrl))).text();
  const sumOf = (metric: string): number =>
    [...text.matchAll(new RegExp(`^${metric}\\{.*\\} (\\S+)$`, "gm"))].reduce((sum, [, value]) => sum + Number(value), 0);
  return {
    statements: sumOf("ordermesh_database_statements_total"),
    "packets to the database": sumOf("ordermesh_database_packets_total"),
  };
}

async function streamUsage(natsUrl: string) {
  const connection = await connect({ servers: natsUrl });
  try {
    const { state } = await (await jetstreamManager(connection)).streams.info(eventStream);
    return { events: state.last_seq, "events as stored": state.bytes };
  } finally {
    await connection.close();
  }
}
