// PostgreSQL refuses to run as root. When we are root it runs as nobody, who must be able to reach every file it uses.
import { execFile } from "node:child_process";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { StartupError } from "./startup-error.ts";

const run = promisify(execFile);
const nobody = { uid: 65534, gid: 65534 };

/** Whom the server runs as; undefined means as ourselves. */
export const postgresUser = process.getuid?.() === 0 ? nobody : undefined;

/** StartupError naming the folder that keeps the server's user out, if there is one on the way to `folder`. */
export async function assertReachable(folder: string): Promise<void> {
  if (postgresUser === undefined) return;
  const script = 'for step in "$@"; do [ -x "$step" ] || { printf %s "$step"; exit; }; done';
  const { stdout: closed } = await run("/bin/sh", ["-c", script, "sh", ...pathTo(folder)], { cwd: "/", ...postgresUser });
  if (closed === "") return;
  const remedy = `set ORDERMESH_DATA_DIR to a folder outside it, set DATABASE_URL, or start as an ordinary user`;
  throw new StartupError(`PostgreSQL may not run as root and the user "nobody" cannot enter ${closed}: ${remedy}.`);
}

function pathTo(folder: string): string[] {
  const parent = dirname(folder);
  return parent === folder ? [folder] : [...pathTo(parent), folder];
}
