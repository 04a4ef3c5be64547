import { chmod, mkdir, realpath } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { errorReason } from "./error-details.ts";
import { postgresUser } from "./postgres-user.ts";
import { StartupError } from "./startup-error.ts";

/** Creates the folder and its missing parents; as root, open enough for PostgreSQL's user to pass. StartupError if it cannot. */
export async function createDataFolder(given: string): Promise<string> {
  const folder = resolve(given);
  try {
    const firstCreated = await mkdir(folder, { recursive: true, mode: 0o700 });
    if (firstCreated !== undefined && postgresUser) await openToOthers({ from: folder, upTo: firstCreated });
    return await realpath(folder);
  } catch (error) {
    throw new StartupError(
      `The data folder ${folder} cannot be created (${errorReason(error)}): set ORDERMESH_DATA_DIR to another folder.`,
    );
  }
}

/** Only folders that we have just made: the mode of anyone else's is theirs to choose. */
async function openToOthers({ from, upTo }: { from: string; upTo: string }): Promise<void> {
  await chmod(from, 0o711);
  if (from !== upTo) await openToOthers({ from: dirname(from), upTo });
}
