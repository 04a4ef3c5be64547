// One PostgreSQL and one NATS for the whole run; each test file gets a database and names of its own.
import type { TestProject } from "vitest/node";
import { resolveBacking } from "#runtime/backing/resolve.ts";

declare module "vitest" {
  export interface ProvidedContext {
    databaseUrl: string;
    natsUrl: string;
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
  return backing.stop;
}
