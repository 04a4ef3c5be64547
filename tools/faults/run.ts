// One run: servers, mesh, load and faults; then rest, and the judges.
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import pg from "pg";
import { askAuditor } from "./auditor.ts";
import type { Outcome } from "./command.ts";
import { counted } from "./counted.ts";
import { publishAgain } from "./duplicates.ts";
import { createInjector } from "./inject.ts";
import { judge } from "./ledger/judge.ts";
import { startLoad, type Asked } from "./load.ts";
import { meshTargets, startBenchMesh, type BenchMesh } from "./mesh.ts";
import { seededRandom } from "./random.ts";
import type { InjectedFault, RunReport } from "./report.ts";
import { comeToRest } from "./rest.ts";
import { faultText, planFaults, type PlannedFault } from "./schedule.ts";
import { startServers, type BenchServer } from "./servers.ts";
import { openShops, type WorkingShop } from "./shops.ts";
import { serviceNames } from "./steps.ts";

export interface RunSettings {
  seed: number;
  minutes: number;
  /** Orders of all tenants together. */
  perSecond: number;
  tenants: number;
  /** Without faults: what orders come to when all goes well. */
  isCalm: boolean;
  logLevel: string;
  /** Keeps the folder with data and logs also where all went well. */
  keep: boolean;
  signal: AbortSignal;
  say(line: string): void;
}

/** The faults are drawn from the seed, the load from its neighbour: a change of one leaves the other as it is. */
const loadSeedStep = 0x9e3779b9;

export function scheduleOf({ seed, minutes, isCalm }: Pick<RunSettings, "seed" | "minutes" | "isCalm">): PlannedFault[] {
  return isCalm ? [] : planFaults({ seed, durationMs: minutes * 60_000, targets: meshTargets() });
}

export async function runBench(settings: RunSettings, isGood: (report: RunReport) => boolean): Promise<RunReport> {
  const folder = await mkdtemp(join(tmpdir(), "ordermesh-faults-"));
  const logFolder = join(folder, "logs");
  await mkdir(logFolder);
  const stops: (() => Promise<unknown>)[] = [() => Promise.resolve()];
  let isToKeep = settings.keep;
  try {
    const servers = await startServers(folder);
    stops.push(servers.nats.stop, servers.postgres.stop);
    const mesh = await startBenchMesh({ ...servers, logFolder, logLevel: settings.logLevel });
    stops.push(mesh.close);
    const connection = await connect({ servers: servers.nats.url, maxReconnectAttempts: -1, name: "faults" });
    stops.push(() => connection.close());
    const report = await work(settings, { servers, mesh, connection });
    isToKeep ||= !isGood(report);
    return report;
  } catch (error) {
    isToKeep = true;
    throw error;
  } finally {
    for (const stop of stops.toReversed()) await stop().catch((error: unknown) => settings.say(`not stopped: ${String(error)}`));
    if (isToKeep) settings.say(`data and logs are in ${folder}`);
    else await rm(folder, { recursive: true, force: true });
  }
}

interface Bench {
  servers: { postgres: BenchServer; nats: BenchServer };
  mesh: BenchMesh;
  connection: NatsConnection;
}

async function work(settings: RunSettings, { servers, mesh, connection }: Bench): Promise<RunReport> {
  const { seed, minutes, perSecond, tenants, isCalm, say } = settings;
  const notStarted = await mesh.untilReady(settings.signal);
  settings.signal.throwIfAborted();
  if (notStarted.length > 0) throw new Error(`${notStarted.join(", ")} did not become ready`);
  const giveUp = new AbortController();
  const signal = AbortSignal.any([settings.signal, giveUp.signal]);
  const shops = await openShops(mesh.edgeUrl, tenants, signal);

  const startedMs = performance.now();
  const faults: InjectedFault[] = [];
  const injector = createInjector({
    mesh,
    servers,
    duplicate: (messages) => publishAgain(connection, seededRandom(seed + faults.length), messages),
    onFault: ({ atMs, fault }, { note, isInjected }) => {
      faults.push({ atMs, kind: fault.kind, text: faultText(fault), note, isInjected });
      say(
        `${((performance.now() - startedMs) / 1_000).toFixed(1).padStart(6)} s  over: ${faultText(fault)}${note && ` (${note})`}`,
      );
    },
  });
  // Under the same keys and the same names of customers each shop asks for something else.
  const working = shops.map((shop, number): WorkingShop => {
    const random = seededRandom(seed + loadSeedStep * (number + 1));
    const pace = { perSecond: perSecond / tenants, durationMs: minutes * 60_000, signal };
    return { ...shop, load: startLoad({ tenant: shop.tenant, sender: shop.sender, name: `seed${seed}`, random, ...pace }) };
  });
  await Promise.all([injector.run(scheduleOf(settings), settings.signal), ...working.map(({ load }) => load.sending)]);
  // Somebody has asked to end: there is nothing to judge, and all that was started is to be stopped.
  settings.signal.throwIfAborted();
  await injector.heal();
  const healedMs = performance.now();
  say("the faults are over; waiting for quiet");
  const notReady = await mesh.untilReady(settings.signal);

  const db = new pg.Client({ connectionString: servers.postgres.url });
  await db.connect();
  try {
    const manager = await jetstreamManager(connection);
    const openCommands = (): number => working.reduce((sum, { load }) => sum + load.open(), 0);
    const waiting = { db, manager, services: serviceNames, openCommands, signal: settings.signal };
    const rest = await comeToRest(waiting, mesh.process("payments").setClock);
    const recoveryMs = rest.quietAtMs - healedMs;
    giveUp.abort();
    await Promise.all(working.map(({ load }) => load.answered()));
    // The edge is asked once more, so not under the signal that has ended the commands.
    const audit = await askAuditor(mesh.edgeUrl, settings.signal);
    const judged = working.map(({ tenant, products, load }) => ({ tenant, products, asked: load.asked }));
    const judgement = await judge({ db, connection, services: serviceNames, shops: judged });
    const deaths = mesh.all().map((process) => process.deaths());
    return {
      seed,
      minutes,
      perSecond,
      tenants,
      isCalm,
      faults,
      recoveryMs,
      notReady,
      judgement,
      audit,
      deathsAtPoints: deaths.flatMap(({ atPoints }) => atPoints),
      deathsByThemselves: deaths.reduce((sum, { byItself }) => sum + byItself, 0),
      commands: commandCounts(working),
      waitedForTime: rest.waitedForTime,
      underWay: rest.underWay,
    };
  } finally {
    await db.end();
  }
}

function commandCounts(shops: readonly WorkingShop[]): RunReport["commands"] {
  const asked = shops.flatMap(({ load }) => load.asked);
  const isAccepted = ({ placed }: Asked): boolean => placed.some(({ kind }) => kind === "accepted");
  const outcomes: Outcome[] = asked.flatMap(({ placed, cancelled, decided, refunds = [], returned, split }) =>
    [...placed, cancelled, decided?.outcome, ...refunds.map(({ outcome }) => outcome), returned, split].filter(
      (outcome) => outcome !== undefined,
    ),
  );
  return {
    asked: asked.length,
    accepted: asked.filter(isAccepted).length,
    refused: counted(
      outcomes.flatMap((outcome) => (outcome.kind === "refused" ? [outcome.reason || String(outcome.status)] : [])),
    ),
    unknown: outcomes.filter(({ kind }) => kind === "unknown").length,
    attemptsWithoutAnswer: shops.reduce((sum, { sender }) => sum + sender.attemptsWithoutAnswer(), 0),
  };
}
