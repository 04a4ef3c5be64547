// Writes gen/ anew from the contracts. Offline: every import comes from an installed package.
import { isProgram, outputOf } from "./command.ts";
import { layOutThirdParty } from "./third-party.ts";

/** Generates into <folder>/gen, or into the repository's own gen/. */
export async function generate({ folder = "." }: { folder?: string } = {}): Promise<void> {
  await layOutThirdParty();
  await outputOf("buf", ["generate", "--output", folder]);
}

if (isProgram(import.meta.url)) await generate();
