// flow of 400 under way, with pg_stat_statements
import pg from "pg";
import { openBacklog } from "./bench/backlog.ts";
import { benchSkus, stockCatalogue } from "./bench/catalogue.ts";
import { runWatchedLoad } from "./bench/load.ts";
import { startBenchServers, startMeshOn } from "./bench/mesh.ts";
import { cpuMs, cpuMsOfFamily } from "./bench/cpu.ts";
import { unhurried } from "./bench/settings.ts";
const pgPid = Number(process.env["PGPID"]);
const servers = await startBenchServers();
const url = "postgres://postgres@127.0.0.1:35999/mesh";
const admin = new pg.Client({ connectionString: "postgres://postgres@127.0.0.1:35999/postgres" });
await admin.connect();
await admin.query("drop database if exists mesh with (force)");
await admin.query("create database mesh");
await admin.query("create extension if not exists pg_stat_statements");
const backing = { ...servers.backing, databaseUrl: url };
const args = (process.env["ARGS"] ?? "").split(" ").filter(Boolean);
const nodeArgs = (process.env["NODEARGS"] ?? "").split(" ").filter(Boolean);
const m = await startMeshOn(backing, { env: unhurried, args, nodeArgs });
await stockCatalogue(m.rpcUrl);
const pids = await servers.serverPids();
const backlog = await openBacklog(backing);
const load = (seconds: number) =>
  runWatchedLoad(
    { urls: [m.rpcUrl], protocol: "Connect", pace: { kind: "closed", callers: 64 }, warmUpSeconds: 1, seconds, skus: benchSkus },
    { underWay: backlog.pending, underWayMax: 400 },
  );
await load(4);
await backlog.settle();
const before = await backlog.newestOrder();
await admin.query("select pg_stat_statements_reset()");
const usage = async () => [await cpuMs(m.pid), await cpuMsOfFamily(pgPid), await cpuMs(pids.nats)];
const b = await usage();
await load(Number(process.argv[2] ?? 15));
await backlog.settle();
const a = await usage();
const { count } = await backlog.timesSince(before);
const r = await admin.query(
  `select calls, rows, total_exec_time ms, shared_blks_dirtied dirt, wal_bytes::float8 wal, query from pg_stat_statements where dbid=(select oid from pg_database where datname='mesh') order by total_exec_time desc`,
);
let t = 0,
  w = 0,
  rows = 0;
for (const x of r.rows) {
  t += x.ms;
  w += x.wal;
  rows += Number(x.rows);
}
console.log(
  `orders ${count}; exec ${(t / count).toFixed(3)} ms/order; wal ${(w / count).toFixed(0)}; cpu/order ${a.map((v, i) => ((v - b[i]!) / count).toFixed(2))}`,
);
for (const x of r.rows.slice(0, 60))
  console.log(
    `${((x.ms / count) * 1000).toFixed(0).padStart(5)}us ${(x.calls / count).toFixed(3).padStart(7)}c ${(x.rows / count).toFixed(2).padStart(6)}r wal ${(x.wal / count).toFixed(0).padStart(5)} ${x.query.replace(/\s+/g, " ").slice(0, 170)}`,
  );
await backlog.close();
await m.stop();
await admin.end();
await servers.close();
