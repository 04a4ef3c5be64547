// How long lists and counts of many dead letters take, asked as an operator's page asks: over RPC.
//   npm run bench:letters -- --letters 10000
import { parseArgs } from "node:util";
import { createClient, type Client } from "@connectrpc/connect";
import type { Transaction } from "kysely";
import { DeadLetterState } from "#gen/ordermesh/operations/v1/dead_letter_pb.ts";
import { OperationsService } from "#gen/ordermesh/operations/v1/operations_service_pb.ts";
import { connectDatabase } from "#runtime/database/connect.ts";
import { createLogger } from "#runtime/log.ts";
import type { OperationsTables } from "../services/operations/store/tables.ts";
import { fileMany } from "./bench/letters.ts";
import { percentile, startBenchMesh } from "./bench/mesh.ts";
import { operatorTransport } from "./operator.ts";
import { runBenchmark } from "./bench/program.ts";

const rounds = 50;

async function measure(name: string, ask: () => Promise<unknown>): Promise<void> {
  const times: number[] = [];
  for (let round = -5; round < rounds; round += 1) {
    const startedMs = performance.now();
    await ask();
    // The first ones warm up.
    if (round >= 0) times.push(performance.now() - startedMs);
  }
  const figures = [0.5, 0.9, 0.99].map((share) => percentile(times, share).toFixed(1).padStart(9));
  console.log(`  ${name.padEnd(44)}${figures.join("")}`);
}

async function measureAll(operations: Client<typeof OperationsService>): Promise<void> {
  const filters = {
    "all, newest first": {},
    "of one service": { service: "orders" },
    "of one consumer, with one code": { consumer: "orders_p1", code: "DUPLICATE_ORDER" },
    "of one key": { key: "prod40" },
    "that are open, of one type": { state: DeadLetterState.OPEN, typeName: "ordermesh.catalog.events.v1.ProductCreated" },
  };
  for (const [name, filter] of Object.entries(filters)) {
    await measure(`list: ${name}`, () => operations.listDeadLetters({ filter, pageSize: 50 }));
  }
  await measure("list: letters 5,000 to 5,050 by offset", () => operations.listDeadLetters({ limit: 50, offset: 5_000 }));
  await measure("count: what is not over", () => operations.getDeadLetterStats({}));
  await measure("count: all of one service", () => operations.getDeadLetterStats({ filter: { service: "orders" } }));
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { letters: { type: "string", default: "10000" } } });
  const letters = Number(values.letters);
  if (!Number.isInteger(letters) || letters < 1 || letters > 1_000_000) throw new Error("--letters takes 1 to 1000000.");
  const mesh = await startBenchMesh({ ORDERMESH_LOG_LEVEL: "error" });
  const log = createLogger({ level: "error" });
  const url = mesh.backing.databaseUrl;
  const database = connectDatabase<OperationsTables>({
    url,
    as: "owner",
    schema: "operations",
    connectionsMax: 2,
    log,
    onCommit: () => {},
  });
  try {
    const startedMs = performance.now();
    await fileMany((work) => database.transaction((tx: Transaction<OperationsTables>) => work(tx)), letters);
    const operations = createClient(OperationsService, operatorTransport(mesh.rpcUrl));
    const { total } = await operations.getDeadLetterStats({ filter: {} });
    console.log(`${total} letters, filed in ${((performance.now() - startedMs) / 1_000).toFixed(1)} s. Milliseconds:\n`);
    console.log(`  ${"".padEnd(44)}${["p50", "p90", "p99"].map((name) => name.padStart(9)).join("")}`);
    await measureAll(operations);
  } finally {
    await database.close();
    await mesh.close();
  }
}

await runBenchmark(main);
