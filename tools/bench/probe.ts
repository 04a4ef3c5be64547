// A service that does nothing but deliver: it sends ProductCreated, and writes one row for each one that it hears.
import { create, toBinary } from "@bufbuild/protobuf";
import { sql } from "kysely";
import {
  file_ordermesh_catalog_events_v1_catalog_events,
  ProductCreatedSchema,
} from "#gen/ordermesh/catalog/events/v1/catalog_events_pb.ts";
import type { Backing } from "#runtime/backing/resolve.ts";
import { hear } from "#runtime/events/hearing.ts";
import { startHost, type Host } from "#runtime/host.ts";
import { createLogger } from "#runtime/log.ts";
import type { ServiceDefinition } from "#runtime/service.ts";

/** The schema, and the prefix of the durable consumers. */
export const probeName = "bench";
const title = "a product of the benchmark, with a title of a usual length";

export const productPayload = (key: string): Uint8Array =>
  toBinary(ProductCreatedSchema, create(ProductCreatedSchema, { productId: key, title }));

interface ProbeTables {
  effect: { event_id: string; key: string; label: string };
}

const writeDown = hear<typeof ProductCreatedSchema, ProbeTables>({
  name: "bench.write",
  event: ProductCreatedSchema,
  handle: async (tx, events) => {
    await sql`
      insert into effect (event_id, key, label)
      select * from unnest(
        ${events.map(({ id }) => id)}::text[],
        ${events.map(({ key }) => key)}::text[],
        ${events.map(({ message }) => message.title)}::text[]
      )`.execute(tx);
  },
});

/** Starts the service in this process. */
export function startProbe({ databaseUrl, natsUrl }: Backing, { listens }: { listens: boolean }): Promise<Host> {
  const definition: ServiceDefinition<ProbeTables> = {
    name: probeName,
    services: [],
    emits: [file_ordermesh_catalog_events_v1_catalog_events],
    migrations: new URL("./migrations/", import.meta.url),
    create: () => ({ routes: () => {}, ...(listens ? { hears: [writeDown] } : {}) }),
  };
  return startHost({
    definitions: [definition as unknown as ServiceDefinition],
    databaseUrl,
    natsUrl,
    host: "127.0.0.1",
    rpcPort: 0,
    partitions: 4,
    streamReplicas: 1,
    relayLagMsMax: 600_000,
    retryDelaysMs: [1_000],
    connectionsMax: 10,
    tenant: "demo",
    log: createLogger({ level: "warn" }),
    env: {},
  });
}
