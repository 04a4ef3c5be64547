// Builds an image as the owner of a contract would: buf, the contract, and what it imports.
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { layOutThirdParty } from "./third-party.ts";
import { outputOf, root } from "./command.ts";

export interface BuiltImage {
  /** Of the folder, with the contracts and image.binpb. */
  folder: string;
  path: string;
  remove(): Promise<void>;
}

/** @param protos Paths of the contracts; the image has them, and as imports what they import of google/. */
export async function buildImage(protos: readonly string[]): Promise<BuiltImage> {
  await layOutThirdParty();
  const folder = await mkdtemp(join(tmpdir(), "edge-image-"));
  const path = join(folder, "image.binpb");
  await cp(join(root, "third_party/google"), join(folder, "google"), { recursive: true });
  for (const proto of protos) await cp(proto, join(folder, basename(proto)));
  const names = protos.flatMap((proto) => ["--path", join(folder, basename(proto))]);
  await outputOf("buf", ["build", folder, ...names, "-o", path], { cwd: folder });
  return { folder, path, remove: () => rm(folder, { recursive: true, force: true }) };
}
