// Writes gen/ anew from the contracts. Offline: every import comes from an installed package.
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openapiOf, readImage } from "../services/edge/openapi/document.ts";
import { isProgram, outputOf, root } from "./command.ts";
import { layOutThirdParty } from "./third-party.ts";

/** Generates into <folder>/gen, or into the repository's own gen/. */
export async function generate({ folder = "." }: { folder?: string } = {}): Promise<void> {
  await layOutThirdParty();
  await outputOf("buf", ["generate", "--output", folder]);
  await writeOpenapi(join(folder, "gen", "openapi"));
}

/** The contracts' HTTP rules for tools that know OpenAPI. */
async function writeOpenapi(folder: string): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), "ordermesh-image-"));
  try {
    const image = join(scratch, "image.binpb");
    await outputOf("buf", ["build", "--output", image]);
    const { version, description, license } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as PackageJson;
    const info = { title: "ordermesh", version, description, license: { name: license, identifier: license } };
    const document = openapiOf(readImage(await readFile(image)), info);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "openapi.json"), `${JSON.stringify(document, undefined, 1)}\n`);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

interface PackageJson {
  version: string;
  description: string;
  license: string;
}

if (isProgram(import.meta.url)) await generate();
