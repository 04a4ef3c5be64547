// Three real servers on the loopback interface that make one cluster, for tests that take servers away one at a time.
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { startChild, type Child } from "#runtime/backing/child.ts";
import { findNatsServer } from "#runtime/backing/nats-binary.ts";
import { natsConnectionOptions } from "#runtime/backing/nats-url.ts";
import type { TestNats } from "./nats.ts";
import { freePorts } from "./ports.ts";
import { until } from "./until.ts";

export type NodeName = "n1" | "n2" | "n3";

const nodeNames = ["n1", "n2", "n3"] as const;
const host = "127.0.0.1";
/** Short, because nobody answers while there is no leader. */
const requestTimeoutMs = 300;
/** Elections take four to nine seconds, and a group may need more than one. */
const settleTimeoutMs = 45_000;

export interface NatsCluster extends TestNats {
  /** Undefined while there is none. */
  leaderOf(stream: string): Promise<NodeName | undefined>;
  leaderOfConsumer(stream: string, consumer: string): Promise<NodeName | undefined>;
  /** Waits until a stream and all its consumers are led by other nodes than the given one; answers after how many ms that was. */
  electedWithout(node: NodeName, stream: string): Promise<number>;
  /** Makes the leader of a stream, or of one of its consumers, hand over to another node. */
  stepDown(stream: string, consumer?: string): Promise<void>;
  /** Ends a node as a crash would. */
  kill(node: NodeName): Promise<void>;
  /** Starts a node again where it was, and waits until all streams are complete on it. */
  restart(node: NodeName): Promise<void>;
  /** Halts a node until it goes on; the others and the clients only see its silence. */
  pause(node: NodeName): Promise<void>;
  goOn(node: NodeName): Promise<void>;
  /** Waits until every stream and consumer has a leader and all its replicas are up to date. */
  allCurrent(): Promise<void>;
}

interface Replicated {
  cluster?: { leader?: string; replicas?: { current: boolean; offline?: boolean }[] };
}

/** Starts the nodes; answers before they have agreed on anything unless told to wait. */
export async function natsCluster({ waitUntilReady = true } = {}): Promise<NatsCluster> {
  const folder = await mkdtemp(join(tmpdir(), "ordermesh-cluster-"));
  const ports = await freePorts(2 * nodeNames.length);
  const nodes = new Map<NodeName, Child>();
  const cluster = { name: `test-${randomBytes(4).toString("hex")}`, ports, folder };
  const start = async (node: NodeName): Promise<void> => void nodes.set(node, await startNode(node, cluster));
  await Promise.all(nodeNames.map(start));
  const url = clientPorts(ports)
    .map((port) => `nats://${host}:${port}`)
    .join(",");
  const asking = connectForQuestions(url);

  const info = async (subject: string): Promise<Replicated> => {
    const answer = await (await asking).request(`$JS.API.${subject}`, "", { timeout: requestTimeoutMs });
    const read = answer.json<Replicated & { error?: { description: string } }>();
    if (read.error) throw new Error(`${subject}: ${read.error.description}`);
    return read;
  };
  const leaderFrom = async (subject: string): Promise<NodeName | undefined> => {
    const { leader } = (await info(subject).catch(() => undefined))?.cluster ?? {};
    return nodeNames.find((name) => name === leader);
  };
  const signal = (node: NodeName, name: NodeJS.Signals): void => {
    const pid = nodes.get(node)?.pid;
    if (pid !== undefined) process.kill(pid, name);
  };
  const allCurrent = (): Promise<void> => untilCurrent(asking, info);

  if (waitUntilReady) {
    await until(async () => jetstreamManager(await asking, { timeout: requestTimeoutMs }), { timeoutMs: settleTimeoutMs });
  }
  return {
    url,
    leaderOf: (stream) => leaderFrom(`STREAM.INFO.${stream}`),
    leaderOfConsumer: (stream, consumer) => leaderFrom(`CONSUMER.INFO.${stream}.${consumer}`),
    electedWithout: async (node, stream) => {
      const startMs = performance.now();
      const isElected = async (subject: string): Promise<boolean> => {
        const name = await leaderFrom(subject);
        return name !== undefined && name !== node;
      };
      const patient = { timeoutMs: settleTimeoutMs };
      await until(() => isElected(`STREAM.INFO.${stream}`), patient);
      const names = await until(async () => namesOfConsumers(await asking, stream), patient);
      await Promise.all(names.map((name) => until(() => isElected(`CONSUMER.INFO.${stream}.${name}`), patient)));
      return performance.now() - startMs;
    },
    stepDown: async (stream, consumer) => {
      const subject = consumer ? `CONSUMER.LEADER.STEPDOWN.${stream}.${consumer}` : `STREAM.LEADER.STEPDOWN.${stream}`;
      await info(subject);
    },
    kill: async (node) => nodes.get(node)?.kill(),
    restart: async (node) => {
      await start(node);
      await allCurrent();
    },
    pause: async (node) => signal(node, "SIGSTOP"),
    goOn: async (node) => signal(node, "SIGCONT"),
    allCurrent,
    stop: async () => {
      await (await asking).close();
      await Promise.all([...nodes.values()].map((child) => child.kill()));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const clientPorts = (ports: readonly number[]): number[] => ports.slice(0, nodeNames.length);
const routePorts = (ports: readonly number[]): number[] => ports.slice(nodeNames.length);

async function startNode(node: NodeName, cluster: { name: string; ports: readonly number[]; folder: string }): Promise<Child> {
  const index = nodeNames.indexOf(node);
  const folder = join(cluster.folder, node);
  await mkdir(folder, { recursive: true });
  const configFile = join(folder, "server.conf");
  const routes = routePorts(cluster.ports).map((port) => `nats://${host}:${port}`);
  const config = {
    server_name: node,
    host,
    port: clientPorts(cluster.ports)[index],
    jetstream: { store_dir: folder, sync_interval: "always" },
    cluster: { name: cluster.name, host, port: routePorts(cluster.ports)[index], routes },
  };
  await writeFile(configFile, JSON.stringify(config));
  return startChild({
    command: (await findNatsServer()).path,
    args: ["--config", configFile],
    env: { PATH: process.env["PATH"] ?? "" },
    workingFolder: folder,
    stopSignal: "SIGTERM",
  });
}

function connectForQuestions(url: string): Promise<NatsConnection> {
  return connect({
    ...natsConnectionOptions(url),
    waitOnFirstConnect: true,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 100,
    timeout: 1_000,
    pingInterval: 1_000,
  });
}

function isCurrent({ cluster }: Replicated): boolean {
  // What has one replica, such as a consumer that lives only for a reading, has no others to wait for.
  return cluster?.leader !== undefined && (cluster.replicas ?? []).every(isUpToDate);
}

const isUpToDate = ({ current, offline }: { current: boolean; offline?: boolean }): boolean => current && offline !== true;

/** Of services, as the runtime names them: what a client reads by for a while is on one node, and elects nobody when that is gone. */
const isOfService = (name: string): boolean => /^[a-z]+_p\d+$/.test(name);

async function namesOfConsumers(connection: NatsConnection, stream: string): Promise<string[]> {
  const answer = await connection.request(`$JS.API.CONSUMER.NAMES.${stream}`, "", { timeout: requestTimeoutMs });
  return (answer.json<{ consumers?: string[] }>().consumers ?? []).filter(isOfService);
}

async function untilCurrent(asking: Promise<NatsConnection>, info: (subject: string) => Promise<Replicated>): Promise<void> {
  await until(
    async () => {
      const manager = await jetstreamManager(await asking, { timeout: requestTimeoutMs });
      for (const stream of await manager.streams.names().next()) {
        const consumers = await manager.consumers.list(stream).next();
        const lasting = consumers.filter(({ name }) => isOfService(name)) as Replicated[];
        const all = [await info(`STREAM.INFO.${stream}`), ...lasting];
        if (!all.every(isCurrent)) return false;
      }
      return true;
    },
    { timeoutMs: settleTimeoutMs },
  );
}
