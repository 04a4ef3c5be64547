// Takes an image from a stream into a file, and looks at it while it comes: what is refused is refused at its first wrong byte.
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import type { HttpBody } from "#gen/google/api/httpbody_pb.ts";
import { lookAtJpeg } from "../domain/jpeg.ts";
import type { ImageLimits } from "../provider/settings.ts";
import { imageRefused, tooManyBytes } from "./refusals.ts";

export interface ReceivedImage {
  /** SHA-256, in hexadecimal. */
  contentHash: string;
}

/**
 * @param path Where the bytes go; nothing is there yet.
 * @throws ConnectError of refusals.ts, for what is no whole JPEG within the limits.
 */
export async function receiveImage<Part extends { image?: HttpBody | undefined }>(
  parts: AsyncIterable<Part>,
  { path, limits, onPart }: { path: string; limits: ImageLimits; onPart: (part: Part) => void },
): Promise<ReceivedImage> {
  const look = lookAtJpeg(limits);
  const hash = createHash("sha256");
  let bytes = 0;
  const file = await open(path, "wx");
  try {
    for await (const part of parts) {
      onPart(part);
      const data = part.image?.data;
      if (!data || data.length === 0) continue;
      bytes += data.length;
      if (bytes > limits.bytesMax) throw tooManyBytes(limits);
      const problem = look.write(data);
      if (problem) throw imageRefused(problem, limits);
      hash.update(data);
      // All of it: a single write may take less than it was given.
      await file.appendFile(data);
    }
  } finally {
    await file.close();
  }
  const problem = look.end();
  if (problem) throw imageRefused(problem, limits);
  return { contentHash: hash.digest("hex") };
}
