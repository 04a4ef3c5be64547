// The mesh of the bench: each service in a process of its own, orders and inventory twice, every process with its own way
// to PostgreSQL and to NATS.
import { setTimeout as sleep } from "node:timers/promises";
import { freePorts } from "../../test/support/ports.ts";
import { carrierSecrets } from "./carrier.ts";
import { startProcess, type BenchProcess } from "./processes.ts";
import { startProxy, type Proxy } from "./proxy.ts";
import type { Server, Target } from "./schedule.ts";
import type { BenchServer } from "./servers.ts";
import { shopNames } from "./shops.ts";
import { allSteps, serviceNames } from "./steps.ts";

const readyMsMax = 120_000;
const replicated = new Set(["orders", "inventory"]);
/** What the whole run needs to be quiet soon. */
const pace = {
  ORDERMESH_HOLD_GRACE_SECONDS: "10",
  ORDERMESH_CARRIER_DISPATCH_MS: "1000",
  ORDERMESH_CARRIER_DELIVER_MS: "500",
  ORDERMESH_SANDBOX_DELAY_MS: "1500",
};

interface Member {
  process: BenchProcess;
  service: string;
  healthUrl: string;
  proxies: Partial<Record<Server, Proxy>>;
}

export interface BenchMesh {
  edgeUrl: string;
  names: string[];
  process(name: string): BenchProcess;
  proxy(name: string, server: Server): Proxy | undefined;
  all(): BenchProcess[];
  /** Waits until each says that it is ready; answers who is not. */
  untilReady(signal: AbortSignal): Promise<string[]>;
  close(): Promise<void>;
}

/** What the schedule chooses from; known before anything is started. */
export function meshTargets(): Target[] {
  const steps = allSteps();
  return places().map(({ name, service }) => ({
    process: name,
    hasServers: service !== "edge",
    points: [...new Set(steps.filter((step) => step.service === service).flatMap((step) => step.points))],
  }));
}

const places = (): { name: string; service: string }[] => [
  ...serviceNames.flatMap((service) =>
    replicated.has(service) ? [1, 2].map((number) => ({ name: `${service}-${number}`, service })) : [{ name: service, service }],
  ),
  { name: "edge", service: "edge" },
];

interface StartMesh {
  postgres: BenchServer;
  nats: BenchServer;
  logFolder: string;
  logLevel: string;
  /** How long an order may take until it is ready. */
  lifeSeconds: number;
}

export async function startBenchMesh(options: StartMesh): Promise<BenchMesh> {
  const members = new Map<string, Member>();
  const close = async (): Promise<void> => {
    await Promise.all([...members.values()].map(({ process }) => process.end()));
    const proxies = [...members.values()].flatMap((member) => Object.values(member.proxies));
    await Promise.all(proxies.map((proxy) => proxy.close()));
  };
  try {
    const free = await freePorts(places().length + 1);
    const ports = new Map(places().map(({ name }, index) => [name, free[index] ?? 0]));
    const edgeRpcPort = free.at(-1) ?? 0;
    const addresses = Object.fromEntries(serviceNames.map((service) => [addressSetting(service), urlsOf(service, ports)]));
    for (const { name, service } of places()) {
      const port = ports.get(name) ?? 0;
      members.set(name, await startMember({ name, service, port, edgeRpcPort, addresses, ...options }));
    }
    const edgeUrl = members.get("edge")?.healthUrl ?? "";
    return {
      edgeUrl,
      names: [...members.keys()],
      process: (name) => member(members, name).process,
      proxy: (name, server) => member(members, name).proxies[server],
      all: () => [...members.values()].map(({ process }) => process),
      untilReady: (signal) => untilReady([...members.values()], signal),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function member(members: ReadonlyMap<string, Member>, name: string): Member {
  const found = members.get(name);
  if (!found) throw new Error(`the bench has no process ${name}`);
  return found;
}

const addressSetting = (service: string): string => `ORDERMESH_${service.toUpperCase()}_URL`;

const urlsOf = (service: string, ports: ReadonlyMap<string, number>): string =>
  places()
    .filter((place) => place.service === service)
    .map(({ name }) => `http://127.0.0.1:${ports.get(name)}`)
    .join(",");

type StartMember = StartMesh & {
  name: string;
  service: string;
  port: number;
  edgeRpcPort: number;
  addresses: Record<string, string>;
};

async function startMember(options: StartMember): Promise<Member> {
  const { name, service, port, edgeRpcPort, addresses, logFolder, logLevel, lifeSeconds } = options;
  const isEdge = service === "edge";
  const shared = {
    ...addresses,
    ...pace,
    ORDERMESH_ORDER_LIFE_SECONDS: String(lifeSeconds),
    ORDERMESH_SEED: "none",
    ORDERMESH_CARRIER_WEBHOOK_SECRETS: carrierSecrets(shopNames),
    ORDERMESH_LOG_LEVEL: logLevel,
    ORDERMESH_DATABASE_CONNECTIONS: "5",
    ORDERMESH_RPC_PORT: String(isEdge ? edgeRpcPort : port),
    ORDERMESH_EDGE_PORT: String(port),
  };
  const proxies = isEdge ? {} : { postgres: await proxyTo(options.postgres), nats: await proxyTo(options.nats) };
  const urls = isEdge
    ? {}
    : { DATABASE_URL: through(proxies.postgres, options.postgres), NATS_URL: through(proxies.nats, options.nats) };
  const process = await startProcess({ name, service, env: { ...shared, ...urls }, logFolder });
  return { process, service, proxies, healthUrl: `http://127.0.0.1:${port}` };
}

const proxyTo = ({ port }: BenchServer): Promise<Proxy> => startProxy({ host: "127.0.0.1", port });

function through(proxy: Proxy | undefined, { url }: BenchServer): string {
  const proxied = new URL(url);
  if (proxy) proxied.port = String(proxy.port);
  return proxied.href;
}

async function untilReady(members: readonly Member[], signal: AbortSignal): Promise<string[]> {
  const endMs = performance.now() + readyMsMax;
  let waiting = members;
  for (;;) {
    const answers = await Promise.all(waiting.map(({ healthUrl }) => isReady(healthUrl)));
    waiting = waiting.filter((_, index) => answers[index] !== true);
    if (waiting.length === 0 || performance.now() > endMs || signal.aborted) return waiting.map(({ process }) => process.name);
    await sleep(250);
  }
}

const isReady = (url: string): Promise<boolean> =>
  fetch(`${url}/readyz`, { signal: AbortSignal.timeout(3_000) }).then(
    (answer) => answer.ok,
    () => false,
  );
