// One PostgreSQL and one NATS for the whole run; each test file gets a database and names of its own.
import type { TestProject } from "vitest/node";
import { resolveBacking } from "#runtime/backing/resolve.ts";
import { startHost } from "#runtime/host.ts";
import { createLogger } from "#runtime/log.ts";
import type { ServiceDefinition } from "#runtime/service.ts";
import { identity } from "../../services/identity/main.ts";
import { throwAwayIdentity } from "../../tools/operator.ts";

declare module "vitest" {
  export interface ProvidedContext {
    databaseUrl: string;
    natsUrl: string;
    /** Of the one identity for tests of services without the mesh; a mesh has its own. */
    identityUrl: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { DATABASE_URL, NATS_URL } = process.env;
  const backing = await resolveBacking({
    ...(DATABASE_URL ? { databaseUrl: DATABASE_URL } : {}),
    ...(NATS_URL ? { natsUrl: NATS_URL } : {}),
    durable: false,
    allowContainers: true,
  });
  project.provide("databaseUrl", backing.databaseUrl);
  project.provide("natsUrl", backing.natsUrl);
  const host = await startHost({
    definitions: [identity as unknown as ServiceDefinition],
    databaseUrl: backing.databaseUrl,
    natsUrl: backing.natsUrl,
    host: "127.0.0.1",
    rpcPort: 0,
    partitions: 1,
    streamReplicas: 1,
    relayLagMsMax: 60_000,
    retryDelaysMs: [1_000],
    connectionsMax: 4,
    tenant: "demo",
    log: createLogger({ level: "warn" }),
    env: throwAwayIdentity,
  });
  project.provide("identityUrl", `http://127.0.0.1:${host.rpcPort}`);
  return async () => {
    await host.close();
    await backing.stop();
  };
}
