// The composition: which services run in this process, on what they stand, and what a person sees of it.
import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { setTimeout as sleep } from "node:timers/promises";
import { ConnectError, createClient, type Client } from "@connectrpc/connect";
import { CatalogService } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { CustomersService } from "#gen/ordermesh/customers/v1/customers_service_pb.ts";
import { AdminService } from "#gen/ordermesh/identity/v1/admin_service_pb.ts";
import { IdentityService } from "#gen/ordermesh/identity/v1/identity_service_pb.ts";
import { KeysService } from "#gen/ordermesh/identity/v1/keys_service_pb.ts";
import { InventoryService } from "#gen/ordermesh/inventory/v1/inventory_service_pb.ts";
import type { VerifyToken } from "#runtime/access/verify-token.ts";
import { databaseUrlOf } from "#runtime/backing/database-url.ts";
import { readNatsAccess } from "#runtime/backing/nats-access.ts";
import { resolveBacking } from "#runtime/backing/resolve.ts";
import { StartupError } from "#runtime/backing/startup-error.ts";
import { reasonOf } from "#runtime/errors.ts";
import { startHost, type Host } from "#runtime/host.ts";
import { allowFaults, processClock } from "#runtime/faults.ts";
import { readTrustedProxies } from "#runtime/limits/client-address.ts";
import { createLogger, type Logger } from "#runtime/log.ts";
import { untilAvailable } from "#runtime/rpc/until-available.ts";
import type { ServiceDefinition } from "#runtime/service.ts";
import { choiceSetting, numberSetting, textSetting, type Environment } from "#runtime/settings.ts";
import { untilSignal } from "#runtime/until-signal.ts";
import { seedCatalogue, seededSkus } from "./catalog/seed.ts";
import { catalog } from "./catalog/main.ts";
import { customers } from "./customers/main.ts";
import { seedCustomer } from "./customers/seed.ts";
import { startEdge } from "./edge/main.ts";
import { fraud } from "./fraud/main.ts";
import { identity } from "./identity/main.ts";
import { demoOperatorSecret, demoSignIn, seedIdentity } from "./identity/seed.ts";
import { inventory } from "./inventory/main.ts";
import { notifications } from "./notifications/main.ts";
import { operations } from "./operations/main.ts";
import { orders } from "./orders/main.ts";
import { payments } from "./payments/main.ts";
import { shipping } from "./shipping/main.ts";

export const definitions = [
  catalog,
  inventory,
  orders,
  payments,
  fraud,
  shipping,
  operations,
  identity,
  customers,
  notifications,
] as unknown as ServiceDefinition[];
const names = [...definitions.map((definition) => definition.name), "edge"];

export interface MeshOptions {
  env: Environment;
  /** Names of the services to run; all where it is empty. */
  only: readonly string[];
  log: Logger;
  onProgress: (message: string) => void;
  /** As in HostOptions. */
  aroundVerify?: (verify: VerifyToken) => VerifyToken;
}

export interface Mesh {
  /** Undefined where the edge does not run here. */
  edgePort: number | undefined;
  rpcPort: number;
  /** Which of the two ports speak TLS. */
  isSecure: { rpc: boolean; edge: boolean };
  describe: { database: string; nats: string };
  /** Whether the customer of the demonstration can sign in. */
  hasDemoCustomer: boolean;
  /** Resolves with its description when a server that was started here has ended. */
  serverEnded: Promise<string>;
  /** Finishes what is in hand and stops everything that was started. */
  close(): Promise<void>;
}

/** Brings up the services and what they need. Throws StartupError where a person can do something about it. */
export async function startMesh({ env: given, only, log, onProgress, aroundVerify }: MeshOptions): Promise<Mesh> {
  const unknown = only.filter((name) => !names.includes(name));
  if (unknown.length > 0) throw new StartupError(`--only does not know ${unknown.join(", ")}; choose from ${names.join(", ")}.`);
  const chosen = only.length === 0 ? names : only;
  const here = definitions.filter((definition) => chosen.includes(definition.name));
  const { env, hasDemoCustomer } = withDemoOperator(given, chosen);
  const host = textSetting(env, "ORDERMESH_HOST", "127.0.0.1");
  const hostSettings = readHostSettings(env);
  const edgePort = numberSetting(env, "ORDERMESH_EDGE_PORT", { fallback: 8080, min: 0, max: 65_535 });
  const seed = choiceSetting(env, "ORDERMESH_SEED", { fallback: "demo", choices: ["demo", "none"] });

  const stops: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    // Last started, first stopped.
    for (const stop of stops.splice(0).toReversed()) await stop();
  };
  try {
    const backing = here.length > 0 ? await resolve(env, onProgress) : undefined;
    if (backing) stops.push(backing.stop);
    onProgress(`starting ${chosen.join(", ")}`);
    const { databaseUrl = "", natsUrl = "" } = backing ?? {};
    const running = await startHost({
      ...hostSettings,
      definitions: here,
      databaseUrl,
      natsUrl,
      host,
      log,
      env,
      clock: processClock,
      ...(aroundVerify ? { aroundVerify } : {}),
    });
    stops.push(running.close);
    if (chosen.includes("identity")) await untilAvailable(() => prepareKeys(running));
    const edge = chosen.includes("edge")
      ? await startEdge({
          services: definitions.flatMap((definition) => definition.services),
          transportFor: running.transportFor,
          port: edgePort,
          host,
          log,
          readiness: running.health.refresh,
          admission: running.admission,
          trustsProxy: readTrustedProxies(env),
          openapi: new URL("../gen/openapi/openapi.json", import.meta.url),
          env,
        })
      : undefined;
    if (edge) stops.push(() => edge.close(closeGraceMs));
    const hasProfile = chosen.includes("customers");
    if (hasDemoCustomer) await untilAvailable(() => seedDemoCustomer(running, { env, hasProfile }));
    if (seed === "demo" && chosen.includes("catalog")) {
      await untilAvailable(() => seedCatalogue(running.clients.client(CatalogService), onProgress));
      if (chosen.includes("inventory")) await untilStocked(running.clients.client(InventoryService));
    }
    const describe = backing?.describe ?? { database: "none", nats: "none" };
    const serverEnded = backing?.ended ?? new Promise<string>(() => {});
    const isSecure = { rpc: running.isRpcSecure, edge: edge?.isSecure ?? false };
    return { edgePort: edge?.port, rpcPort: running.rpcPort, isSecure, describe, hasDemoCustomer, serverEnded, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * The secrets of the demonstration are known to everybody. On servers that we start it is us who have asked for them; on others
 * somebody must say so.
 */
function withDemoOperator(env: Environment, chosen: readonly string[]): { env: Environment; hasDemoCustomer: boolean } {
  const seed = env["ORDERMESH_SEED"];
  const isWanted = seed === "demo" || (!seed && !env["DATABASE_URL"]);
  if (!isWanted || !chosen.includes("identity")) return { env, hasDemoCustomer: false };
  const secret = textSetting(env, "ORDERMESH_OPERATOR_SECRET", demoOperatorSecret);
  return { env: { ...env, ORDERMESH_OPERATOR_SECRET: secret }, hasDemoCustomer: true };
}

/** Nobody is served before there is a key to sign with; a secret that does not fit is told here and not at the first sign-in. */
async function prepareKeys({ transportFor }: Host): Promise<void> {
  try {
    await createClient(KeysService, transportFor(KeysService)).listKeys({});
  } catch (error) {
    if (reasonOf(error) === "SETTINGS_UNFIT") throw new StartupError(ConnectError.from(error).rawMessage);
    throw error;
  }
}

async function seedDemoCustomer(
  { transportFor }: Host,
  { env, hasProfile }: { env: Environment; hasProfile: boolean },
): Promise<void> {
  const clients = {
    identity: createClient(IdentityService, transportFor(IdentityService)),
    admin: createClient(AdminService, transportFor(AdminService)),
  };
  const demo = await seedIdentity(clients, env["ORDERMESH_OPERATOR_SECRET"] ?? "");
  if (hasProfile) await seedCustomer(createClient(CustomersService, transportFor(CustomersService)), demo);
}

/** The first stock is an event's work: whoever orders as soon as we say that we are ready must find it. */
async function untilStocked(inventory: Client<typeof InventoryService>): Promise<void> {
  const endMs = performance.now() + stockedMsMax;
  let unknown = seededSkus;
  while (unknown.length > 0 && performance.now() < endMs) {
    const asked = await Promise.allSettled(unknown.map((sku) => inventory.getStock({ sku })));
    unknown = unknown.filter((_, index) => asked[index]?.status === "rejected");
    if (unknown.length > 0) await sleep(20);
  }
}

const closeGraceMs = 5_000;
const stockedMsMax = 10_000;

type Resolved = Awaited<ReturnType<typeof resolveBacking>>;

function resolve(env: Environment, onProgress: (message: string) => void): Promise<Resolved> {
  return resolveBacking({
    databaseUrl: databaseUrlOf(env),
    natsUrl: env["NATS_URL"] || undefined,
    natsAccess: readNatsAccess(env),
    dataFolder: textSetting(env, "ORDERMESH_DATA_DIR", ".ordermesh"),
    durable: true,
    allowContainers: false,
    onProgress,
  });
}

function readHostSettings(env: Environment) {
  return {
    rpcPort: numberSetting(env, "ORDERMESH_RPC_PORT", { fallback: 9090, min: 0, max: 65_535 }),
    partitions: numberSetting(env, "ORDERMESH_PARTITIONS", { fallback: 4, min: 1, max: 64 }),
    streamReplicas: numberSetting(env, "ORDERMESH_STREAM_REPLICAS", { fallback: 1, min: 1, max: 5 }),
    relayLagMsMax: numberSetting(env, "ORDERMESH_RELAY_LAG_MS_MAX", { fallback: 10_000, min: 100, max: 3_600_000 }),
    connectionsMax: numberSetting(env, "ORDERMESH_DATABASE_CONNECTIONS", { fallback: 10, min: 4, max: 200 }),
    retryDelaysMs: readDelays(textSetting(env, "ORDERMESH_RETRY_DELAYS_MS", "1000,2000,4000")),
    tenant: readTenant(textSetting(env, "ORDERMESH_TENANT", "demo")),
    applicationDatabaseUrl: readApplicationDatabaseUrl(env),
  };
}

function readApplicationDatabaseUrl(env: Environment): string | undefined {
  const url = env["ORDERMESH_APP_DATABASE_URL"] || undefined;
  if (!url || env["DATABASE_URL"]) return url;
  throw new StartupError("ORDERMESH_APP_DATABASE_URL is set and DATABASE_URL is not: set both, to the same database.");
}

/** It is a token of every event's subject. */
function readTenant(text: string): string {
  if (/^[A-Za-z0-9_-]{1,63}$/.test(text)) return text;
  throw new StartupError(`ORDERMESH_TENANT is "${text}"; set it to 1 to 63 letters, digits, "_" or "-".`);
}

function readDelays(text: string): number[] {
  const delays = text.split(",").map(Number);
  // With the first attempt and a few deliveries to instances that die, all must fit the server's maximum.
  const fits = delays.length <= 5 && delays.every((delay) => Number.isInteger(delay) && delay >= 1 && delay <= 60_000);
  if (fits) return delays;
  throw new StartupError(
    `ORDERMESH_RETRY_DELAYS_MS is "${text}"; set it to 1 to 5 delays of 1 to 60000, such as 1000,2000,4000.`,
  );
}

function readOnly(): string[] {
  const { values } = parseArgs({ options: { only: { type: "string", multiple: true, default: [] } } });
  return values.only.flatMap((list) => list.split(",")).filter((name) => name !== "");
}

function greeting(mesh: Mesh, startedMs: number): string {
  const rpc = `${mesh.isSecure.rpc ? "https" : "http"}://127.0.0.1:${mesh.rpcPort}`;
  const lines = [
    "",
    `ordermesh is ready after ${((performance.now() - startedMs) / 1_000).toFixed(1)} s. Ctrl-C stops it.`,
    "",
    `  RPC         ${rpc}  (Connect, gRPC, gRPC-Web; reflection and health)`,
    `  PostgreSQL  ${mesh.describe.database}`,
    `  NATS        ${mesh.describe.nats}`,
  ];
  if (mesh.edgePort === undefined) return [...lines, ""].join("\n");
  const rest = `${mesh.isSecure.edge ? "https" : "http"}://127.0.0.1:${mesh.edgePort}`;
  const order = `{"customerId":"ada","currency":"EUR","paymentToken":"tok_success","items":[{"sku":"MUG-BLUE","quantity":"2"}]}`;
  const json = "'content-type: application/json'";
  return [
    ...lines.slice(0, 3),
    `  REST        ${rest}  (all of it: ${rest}/docs)`,
    ...lines.slice(3),
    "",
    "Try:",
    `  curl ${rest}/v1/products?pageSize=3`,
    mesh.hasDemoCustomer
      ? `  token=$(curl -s -d '${JSON.stringify(demoSignIn)}' -H ${json} ${rest}/auth/token | sed 's/.*"access_token":"\\([^"]*\\).*/\\1/')`
      : "  token=<an access token: docs/identity.md says how to get one>",
    `  curl -d '${order}' -H ${json} -H "authorization: Bearer $token" ${rest}/v1/orders`,
    `  curl -N -H "authorization: Bearer $token" ${rest}/v1/orders/<orderId>:watch`,
    "",
  ].join("\n");
}

async function main(): Promise<void> {
  const startedMs = performance.now();
  const env = process.env;
  const level = textSetting(env, "ORDERMESH_LOG_LEVEL", process.stdout.isTTY ? "warn" : "info");
  const log = createLogger({ level });
  allowFaults(env);
  const stopped = untilSignal();
  const mesh = await startMesh({ env, only: readOnly(), log, onProgress: (message) => console.log(`… ${message}`) });
  console.log(greeting(mesh, startedMs));
  const ended = await Promise.race([stopped, mesh.serverEnded]);
  console.log("… stopping");
  await mesh.close();
  if (ended) throw new StartupError(`${ended} has ended by itself: see its log in that folder, and start again.`);
}

const isEntry = process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url);
if (isEntry) {
  try {
    await main();
    process.exit(0);
  } catch (error) {
    console.error(error instanceof StartupError ? error.message : error);
    process.exit(1);
  }
}
