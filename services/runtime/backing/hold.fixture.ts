// A parent process for tests: starts both servers on the folder in its first argument, prints where they are, and stays.
import { Client } from "pg";
import { resolveBacking } from "./resolve.ts";

const backing = await resolveBacking({ dataFolder: process.argv[2] || undefined, durable: false, allowContainers: false });

async function stopInOrder(): Promise<void> {
  const client = new Client(backing.databaseUrl);
  await client.connect();
  await client.query("select 1");
  await client.end();
  await backing.stop();
  process.stdout.write("stopped in order\n");
}

process.once("SIGINT", () => void stopInOrder());
process.stdout.write(`${JSON.stringify({ databaseUrl: backing.databaseUrl, natsUrl: backing.natsUrl })}\n`);
