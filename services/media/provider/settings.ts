// Where images are kept, and how large they may be.
import { join, resolve } from "node:path";
import { numberSetting, textSetting, type Environment } from "#runtime/settings.ts";
import type { FileStore } from "./contract.ts";
import { createFolderStore } from "./folder-store.ts";
import { createPictures, type Pictures } from "./pictures.ts";
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
  return {
    store: createFolderStore(join(folder, "files")),
    spool: createSpool(join(folder, "spool")),
    pictures: createPictures({ pixelsMax: limits.pixelsMax, atOnce }),
    limits,
  };
}
