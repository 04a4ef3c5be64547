// Operations beside a probe: a service that fails as a test wants it to, and the letters that come of it.
import { createClient, type Client } from "@connectrpc/connect";
import type { Kysely } from "kysely";
import { DeadLetterState, type DeadLetter } from "#gen/ordermesh/operations/v1/dead_letter_pb.ts";
import { OperationsService } from "#gen/ordermesh/operations/v1/operations_service_pb.ts";
import { startHost, type Host } from "#runtime/host.ts";
import { createLogger } from "#runtime/log.ts";
import type { ServiceDefinition, ServiceRuntime } from "#runtime/service.ts";
import { operations } from "../../services/operations/main.ts";
import type { OperationsTables } from "../../services/operations/store/tables.ts";
import { probeWorld, tenant, type Probe, type ProbeWorld } from "../delivery/probe.ts";
import { asOperator } from "../support/as-operator.ts";
import { sharedIdentity } from "../support/identity.ts";
import { testNats, type TestNats } from "../support/nats.ts";
import { until } from "../support/until.ts";

export interface Operations {
  host: Host;
  client: Client<typeof OperationsService>;
  db: Kysely<OperationsTables>;
}

export interface LettersWorld extends ProbeWorld {
  natsUrl: string;
  /** Starts operations; it asks the given probe what became of events. */
  operate(probe: Probe): Promise<Operations>;
}

export async function lettersWorld(given?: TestNats): Promise<LettersWorld> {
  const nats = given ?? (await testNats());
  const world = await probeWorld(nats);
  const hosts: Host[] = [];
  return {
    ...world,
    natsUrl: nats.url,
    operate: async (probe) => {
      const started = await startOperations({ world, natsUrl: nats.url, probe });
      hosts.push(started.host);
      return started;
    },
    close: async () => {
      await Promise.all(hosts.map((host) => host.close()));
      await world.close();
    },
  };
}

async function startOperations(options: { world: ProbeWorld; natsUrl: string; probe: Probe }): Promise<Operations> {
  const { world, natsUrl, probe } = options;
  let runtime: ServiceRuntime<OperationsTables> | undefined;
  const definition: ServiceDefinition<OperationsTables> = {
    ...operations,
    create: (created) => {
      runtime = created;
      return operations.create(created);
    },
  };
  const host = await startHost({
    definitions: [definition as unknown as ServiceDefinition],
    databaseUrl: world.databaseUrl,
    natsUrl,
    host: "127.0.0.1",
    rpcPort: 0,
    partitions: 3,
    streamReplicas: 1,
    relayLagMsMax: 10_000,
    retryDelaysMs: [50],
    connectionsMax: 8,
    tenant,
    log: createLogger({ level: process.env["PROBE_LOG"] ?? "silent" }),
    env: { ...sharedIdentity(), ORDERMESH_PROBE_URL: `http://127.0.0.1:${probe.host.rpcPort}`, ORDERMESH_RECONCILE_MS: "300" },
  });
  if (!runtime) throw new Error("operations was not created");
  return {
    host,
    client: createClient(OperationsService, asOperator(host.transportFor(OperationsService), { tenant })),
    db: runtime.system.db,
  };
}

export const by = { reason: "for a test" } as const;

/** All letters, in the order of the stream. */
export async function lettersOf({ client }: Operations): Promise<DeadLetter[]> {
  const { deadLetters } = await client.listDeadLetters({ pageSize: 500 });
  return deadLetters.toSorted((one, other) => Number(one.streamSequence - other.streamSequence));
}

/** Waits for so many letters in a state. */
export async function lettersIn(operating: Operations, state: DeadLetterState, count: number): Promise<DeadLetter[]> {
  let found: DeadLetter[] = [];
  await until(
    async () => {
      found = (await lettersOf(operating)).filter((letter) => letter.state === state);
      return found.length === count;
    },
    { timeoutMs: 30_000 },
  ).catch(async (error: unknown) => {
    const all = (await lettersOf(operating)).map((letter) => `${letter.state} ${letter.code} ${letter.message}`);
    throw new Error(`${found.length} letters are in state ${state}, not ${count}; all: ${all.join("; ")}`, {
      cause: error,
    });
  });
  return found;
}

export async function actionsOf({ client }: Operations, letterId: string): Promise<string[]> {
  const { actions } = await client.listDeadLetterActions({ letterId });
  return actions.map(({ action }) => action);
}
