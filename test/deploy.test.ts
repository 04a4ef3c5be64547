// What is deployed fits the code: the image holds what the program imports, and compose starts services that exist.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { root, runCommand, startArgs } from "../tools/command.ts";
import { loadContracts } from "../tools/contracts.ts";
import { importsOf, resolveImport } from "../tools/layout/imports.ts";
import { isTest, readSources } from "../tools/layout/sources.ts";

interface Container {
  image: string;
  command?: string[];
  environment?: Record<string, string>;
  depends_on?: Record<string, { condition: string }>;
  healthcheck?: { test: string[] };
  ports?: unknown[];
}

interface Compose {
  services: Record<string, Container>;
}

const composeFile = "deploy/compose.yaml";
const sources = await readSources(root, ["services"]);
const contracts = (await loadContracts()).flatMap((file) => file.services);
// Without contracts that every process offers for the services in it.
const services = [...new Set(contracts.map(({ typeName }) => typeName.split(".")[1] ?? ""))]
  .filter((name) => sources.has(`services/${name}/main.ts`))
  .toSorted();
const composeText = await readFile(join(root, composeFile), "utf8");
const dockerfile = await readFile(join(root, "deploy/Dockerfile"), "utf8");
const hasComposePlugin = (await runCommand("docker", ["compose", "version"])).code === 0;

/** As docker compose reads it; else by a YAML parser that other packages bring. */
async function readCompose(): Promise<Compose> {
  if (hasComposePlugin) {
    const { code, output } = await runCommand("docker", ["compose", "-f", composeFile, "config", "--format", "json"]);
    if (code !== 0) throw new Error(output);
    const compose: Compose = JSON.parse(output);
    return compose;
  }
  const yaml: { parse(text: string, options: { merge: boolean }): Compose } = createRequire(import.meta.url)("yaml");
  return yaml.parse(composeText, { merge: true });
}

interface Package {
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
}

async function readPackage(): Promise<Package> {
  const content: Package = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  return content;
}

const compose = await readCompose();
const ours = Object.entries(compose.services).filter(([, { image }]) => image.startsWith("ordermesh:"));
const onlyOf = ({ command = [] }: Container): string[] => command[command.indexOf("--only") + 1]?.split(",") ?? [];

describe(`compose, ${hasComposePlugin ? "read by docker compose" : "read as YAML, as docker compose is not here"}`, () => {
  test.each(ours)("%s runs what is in the folder of its name", (name, container) => {
    expect(onlyOf(container)).toEqual([name]);
    expect([...sources.keys()].some((path) => path.startsWith(`services/${name}/`))).toBe(true);
  });

  test("every service that has a contract runs somewhere, once", () => {
    const running = ours.flatMap(([, container]) => onlyOf(container));
    expect(running.toSorted()).toEqual([...services, "edge"].toSorted());
  });

  test.each(ours)("%s knows where the others are", (_name, { environment = {} }) => {
    for (const service of services) expect(environment[`ORDERMESH_${service.toUpperCase()}_URL`]).toBe(`http://${service}:9090`);
    expect(environment["DATABASE_URL"]).toMatch(/^postgres:\/\/.+@postgres:5432\//);
    expect(environment["NATS_URL"]).toMatch(/^nats:\/\/.+@nats:4222$/);
  });

  test("each waits until what it needs is healthy, and only that", () => {
    for (const [name, { depends_on: needs = {} }] of ours) {
      expect(Object.keys(needs).toSorted()).toEqual(name === "edge" ? services : ["nats", "postgres"]);
      for (const { condition } of Object.values(needs)) expect(condition).toBe("service_healthy");
    }
    expect(compose.services["postgres"]?.healthcheck?.test).toContain("pg_isready");
    expect(compose.services["nats"]?.healthcheck?.test.join(" ")).toContain("/healthz");
  });

  test("only the edge is reachable from outside", () => {
    expect(Object.keys(compose.services).filter((name) => compose.services[name]?.ports)).toEqual(["edge"]);
  });

  test("no password is without a way to set it", () => {
    const secrets = composeText.split("\n").filter((line) => /PASSWORD:|SECRET:|--pass=|_URL: (postgres|nats):/.test(line));
    expect(secrets.length).toBeGreaterThan(5);
    for (const line of secrets) expect(line).toMatch(/\$\{(POSTGRES_PASSWORD|NATS_PASSWORD|ORDERMESH_(OPERATOR_)?SECRET):-/);
  });
});

describe("the image", () => {
  const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, names = ""]) => names.split(" "));
  const program = [...sources].filter(([path]) => /\.tsx?$/.test(path) && !isTest(path));
  const loaded = program.flatMap(([path, text]) =>
    importsOf(text)
      .filter(({ isTypeOnly, isDynamic }) => !isTypeOnly && !isDynamic)
      .map(({ specifier }) => ({ path, target: resolveImport(path, specifier) })),
  );

  test("copies every file that the program imports", () => {
    expect(copied).toEqual(expect.arrayContaining(["package.json", "gen", "services"]));
    const paths = loaded.flatMap(({ target }) => (target.kind === "file" ? [target.path] : []));
    expect(paths.filter((path) => !copied.some((folder) => path.startsWith(`${folder}/`)))).toEqual([]);
    expect(paths.filter(isTest), "tests are not in the image").toEqual([]);
    expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  test("lets the build see what it copies", async () => {
    const seen = (await readFile(join(root, ".dockerignore"), "utf8")).split("\n").filter((line) => line.startsWith("!"));
    expect(seen.map((line) => line.slice(1)).toSorted()).toEqual([...new Set(copied)].toSorted());
  });

  test("has every package that the program loads: none of them is for development only", async () => {
    const { dependencies } = await readPackage();
    const missing = loaded.flatMap(({ path, target }) =>
      target.kind === "package" && !(target.name in dependencies) ? [`${target.name}, imported by ${path}`] : [],
    );
    expect(missing).toEqual([]);
  });

  test("starts the program as npm start does", () => {
    expect(startArgs.at(-1)).toBe("services/mesh.ts");
    expect(dockerfile.split("\n")).toContain(`ENTRYPOINT ${JSON.stringify(["node", ...startArgs]).replaceAll(",", ", ")}`);
  });

  test("runs the same Node as the tests, not as root, and says whether it is ready", async () => {
    const { devDependencies } = await readPackage();
    expect(dockerfile).toContain(`ARG NODE_VERSION=${devDependencies["node"]}\n`);
    expect(dockerfile).toMatch(/^USER node$/m);
    // Whatever the other ports ask for; that this one answers under TLS is in test/security/transport.test.ts.
    expect(dockerfile).toMatch(/^ENV [\s\S]*ORDERMESH_PROBE_PORT=9190/m);
    expect(dockerfile).toMatch(/^HEALTHCHECK .*[\s\S]*ORDERMESH_PROBE_PORT \+ '\/readyz'/m);
  });
});
