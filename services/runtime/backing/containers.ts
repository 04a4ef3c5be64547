// Servers in containers, for tests on machines with a Docker engine. testcontainers removes them even if we are killed.
import { request, type RequestOptions } from "node:http";
import { homedir } from "node:os";
import { join } from "node:path";
import type { GenericContainer } from "testcontainers";

const pingTimeoutMs = 1_000;
const postgresImage = "postgres:18-alpine";
const natsImage = "nats:2.12-alpine";

export interface Container {
  url: string;
  image: string;
  stop: () => Promise<void>;
}

/** Whether a Docker engine answers within 1 s per address that it usually has. */
export async function dockerAnswers(env: NodeJS.ProcessEnv = process.env): Promise<boolean> {
  for (const address of dockerAddresses(env)) if (await answersPing(address)) return true;
  return false;
}

function dockerAddresses(env: NodeJS.ProcessEnv): RequestOptions[] {
  const host = env["DOCKER_HOST"];
  if (!host) {
    const runtimeFolder = env["XDG_RUNTIME_DIR"];
    const sockets = ["/var/run/docker.sock", join(homedir(), ".docker/run/docker.sock")];
    if (runtimeFolder) sockets.push(join(runtimeFolder, "docker.sock"));
    return sockets.map((socketPath) => ({ socketPath }));
  }
  const url = URL.parse(host);
  if (url?.protocol === "unix:") return [{ socketPath: url.pathname }];
  if (url?.protocol === "tcp:" || url?.protocol === "http:") return [{ host: url.hostname, port: url.port || 2375 }];
  return [];
}

function answersPing(address: RequestOptions): Promise<boolean> {
  return new Promise((resolve) => {
    const ping = request({ ...address, path: "/_ping", timeout: pingTimeoutMs }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    ping.once("timeout", () => ping.destroy());
    ping.once("error", () => resolve(false));
    // A destroyed request that never got an answer ends here, not always with an error.
    ping.once("close", () => resolve(false));
    ping.end();
  });
}

export async function startPostgresContainer({ durable }: { durable: boolean }): Promise<Container> {
  const { GenericContainer, Wait } = await import("testcontainers");
  const fast = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"];
  const settings = ["max_connections=200", "idle_in_transaction_session_timeout=60s", ...(durable ? [] : fast)];
  const definition = new GenericContainer(postgresImage)
    .withEnvironment({ POSTGRES_PASSWORD: "postgres" })
    .withCommand(["postgres", ...settings.flatMap((setting) => ["-c", setting])])
    // The image starts a first server to set itself up; only the second one is for clients.
    .withWaitStrategy(Wait.forLogMessage(/ready to accept connections/, 2));
  return start(definition, {
    image: postgresImage,
    port: 5432,
    urlTo: (address) => `postgres://postgres:postgres@${address}/postgres`,
  });
}

export async function startNatsContainer(): Promise<Container> {
  const { GenericContainer, Wait } = await import("testcontainers");
  const definition = new GenericContainer(natsImage).withCommand(["-js"]).withWaitStrategy(Wait.forLogMessage(/Server is ready/));
  return start(definition, { image: natsImage, port: 4222, urlTo: (address) => `nats://${address}` });
}

interface Service {
  image: string;
  port: number;
  urlTo: (address: string) => string;
}

async function start(definition: GenericContainer, { image, port, urlTo }: Service): Promise<Container> {
  const container = await definition.withExposedPorts(port).start();
  const address = `${container.getHost()}:${container.getMappedPort(port)}`;
  return { url: urlTo(address), image, stop: async () => void (await container.stop()) };
}
