// Decodes and encodes pictures, a few at a time: each takes a processor and the memory of its pixels.
import type { Sharp } from "sharp";
import type { PictureType } from "../domain/variants.ts";

export class PictureDamaged extends Error {
  override readonly name = "PictureDamaged";
}

export interface Picture {
  width: number;
  height: number;
  bytes: number;
}

export interface Pictures {
  /**
   * Writes a JPEG anew: upright by its orientation (Exif 2.32, tag 274), in sRGB, and without anything but its pixels.
   *
   * @throws PictureDamaged where any of it cannot be decoded.
   */
  clean(from: string, to: string): Promise<Picture>;
  /** The middle of a picture as a JPEG of so many pixels, both ways. */
  square(from: string, to: string, size: number): Promise<void>;
  /** All of a picture within so many pixels both ways, as it is where it is smaller. */
  fit(from: string, to: string, wanted: { size: number; type: PictureType }): Promise<void>;
  /** How many are made at one time. */
  atOnce: number;
}

/** Above what an eye sees in a photograph (the default is 80), for what is decoded again later. */
const quality = 90;
const thumbnailQuality = 80;
/**
 * Of the three types, so that they look alike; their scales are not the same. The harder AVIF tries the longer it takes: at this effort
 * about as long as WebP. At its default it would be a fifth smaller, and take six times as long.
 */
const encoders: Readonly<Record<PictureType, (picture: Sharp) => Sharp>> = {
  "image/avif": (picture) => picture.avif({ quality: 55, effort: 2, chromaSubsampling: "4:2:0" }),
  "image/webp": (picture) => picture.webp({ quality: 78, effort: 3 }),
  "image/jpeg": (picture) => picture.jpeg({ quality: thumbnailQuality }),
};

/** Loaded when the first picture comes: a process that has none to make is spared the library. */
async function loadSharp(pixelsMax: number): Promise<(from: string) => Sharp> {
  const { default: sharp } = await import("sharp");
  // Each picture is decoded on one thread, and nothing is kept: how many go at once is for us to say.
  sharp.concurrency(1);
  sharp.cache(false);
  return (from) => sharp(from, { failOn: "warning", limitInputPixels: pixelsMax });
}

export function createPictures({ pixelsMax, atOnce }: { pixelsMax: number; atOnce: number }): Pictures {
  const turn = createTurns(atOnce);
  let loaded: ReturnType<typeof loadSharp> | undefined;
  const load = (): ReturnType<typeof loadSharp> => (loaded ??= loadSharp(pixelsMax));
  return {
    atOnce,
    clean: (from, to) =>
      turn(async () => {
        const read = await load();
        try {
          const { width, height, size: bytes } = await read(from).autoOrient().jpeg({ quality }).toFile(to);
          return { width, height, bytes };
        } catch (error) {
          if (isOfMachine(error)) throw error;
          throw new PictureDamaged((error as Error).message);
        }
      }),
    square: (from, to, size) =>
      turn(async () => {
        const read = await load();
        await read(from).resize(size, size, { fit: "cover" }).jpeg({ quality: thumbnailQuality }).toFile(to);
      }),
    fit: (from, to, { size, type }) =>
      turn(async () => {
        const read = await load();
        await encoders[type](read(from).resize(size, size, { fit: "inside", withoutEnlargement: true })).toFile(to);
      }),
  };
}

/** A full disk is no fault of the picture. */
const isOfMachine = (error: unknown): boolean =>
  /no space|unable to open for write|out of memory/i.test((error as Error).message);

function createTurns(max: number): <Result>(work: () => Promise<Result>) => Promise<Result> {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (running >= max) await new Promise<void>((resolve) => waiting.push(resolve));
    else running += 1;
    try {
      return await work();
    } finally {
      // The place goes from hand to hand.
      const next = waiting.shift();
      if (next) next();
      else running -= 1;
    }
  };
}
