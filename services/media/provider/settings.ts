// Where images are kept, and how large they may be.
import { join, resolve } from "node:path";
import { StartupError } from "#runtime/backing/startup-error.ts";
import { choiceSetting, numberSetting, textSetting, type Environment } from "#runtime/settings.ts";
import type { FileStore } from "./contract.ts";
import { createFolderStore } from "./folder-store.ts";
import { createPictures, type Pictures } from "./pictures.ts";
import { createS3Store } from "./s3-store.ts";
import { createSpool, type Spool } from "./spool.ts";

export interface Media {
  store: FileStore;
  spool: Spool;
  pictures: Pictures;
  limits: ImageLimits;
}

export interface ImageLimits {
  /** Of a file that is uploaded. */
  bytesMax: number;
  /** Across times down, before it is decoded. */
  pixelsMax: number;
}

/** Throws StartupError where a setting means nothing. Touches no file. */
export function openMedia(env: Environment): Media {
  const data = textSetting(env, "ORDERMESH_DATA_DIR", ".ordermesh");
  const folder = resolve(textSetting(env, "ORDERMESH_MEDIA_DIR", join(data, "media")));
  const limits = {
    bytesMax: numberSetting(env, "ORDERMESH_IMAGE_BYTES_MAX", { fallback: 10_485_760, min: 1_024, max: 104_857_600 }),
    pixelsMax: numberSetting(env, "ORDERMESH_IMAGE_PIXELS_MAX", { fallback: 50_000_000, min: 1, max: 268_402_689 }),
  };
  const atOnce = numberSetting(env, "ORDERMESH_IMAGES_AT_ONCE", { fallback: 2, min: 1, max: 64 });
  const spool = createSpool(join(folder, "spool"));
  return {
    store: openStore(env, folder, spool),
    spool,
    pictures: createPictures({ pixelsMax: limits.pixelsMax, atOnce }),
    limits,
  };
}

function openStore(env: Environment, folder: string, spool: Spool): FileStore {
  const kind = choiceSetting(env, "ORDERMESH_MEDIA_STORE", { fallback: "folder", choices: ["folder", "s3"] });
  if (kind === "folder") return createFolderStore(join(folder, "files"));
  const bucket = textSetting(env, "ORDERMESH_S3_BUCKET", "");
  const accessKeyId = textSetting(env, "ORDERMESH_S3_ACCESS_KEY", "");
  const secretAccessKey = textSetting(env, "ORDERMESH_S3_SECRET_KEY", "");
  if (!bucket) throw new StartupError("ORDERMESH_MEDIA_STORE is s3: set ORDERMESH_S3_BUCKET to the bucket for images.");
  if (!accessKeyId !== !secretAccessKey) {
    throw new StartupError("Set ORDERMESH_S3_ACCESS_KEY and ORDERMESH_S3_SECRET_KEY together, or neither.");
  }
  const settings = {
    bucket,
    region: textSetting(env, "ORDERMESH_S3_REGION", "us-east-1"),
    endpoint: env["ORDERMESH_S3_ENDPOINT"] || undefined,
    credentials: accessKeyId && secretAccessKey ? { accessKeyId, secretAccessKey } : undefined,
  };
  return createS3Store(settings, spool);
}
