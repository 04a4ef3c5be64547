// Looks at a JPEG while it comes, before anything is decoded: ITU-T T.81, annex B. It is one from its first byte to its end marker,
// with nothing behind it, and its frame says how large it becomes.

export type JpegProblem = "EMPTY" | "NOT_JPEG" | "MALFORMED" | "TRUNCATED" | "TRAILING_DATA" | "TOO_MANY_PIXELS";

export interface JpegLook {
  /** The next bytes. Answers what is wrong as soon as it is known. */
  write(chunk: Uint8Array): JpegProblem | undefined;
  /** Answers what is wrong with what has come, as a whole. */
  end(): JpegProblem | undefined;
}

const marker = { prefix: 0xff, start: 0xd8, end: 0xd9, scan: 0xda } as const;
/** Precision, height and width of a frame: B.2.2. */
const frameBytes = 5;

/** Frame headers are C0 to CF, but for those of tables (C4, CC) and the one that is reserved (C8): table B.1. */
const isFrame = (code: number): boolean => code >= 0xc0 && code <= 0xcf && code !== 0xc4 && code !== 0xc8 && code !== 0xcc;
const isRestart = (code: number): boolean => code >= 0xd0 && code <= 0xd7;

type Place = "start" | "second" | "prefix" | "code" | "length" | "lengthLow" | "segment" | "data" | "dataCode" | "end";

export function lookAtJpeg({ pixelsMax }: { pixelsMax: number }): JpegLook {
  let place: Place = "start";
  let code = 0;
  let left = 0;
  let frame: number[] = [];
  let hasFrame = false;
  let hasScan = false;
  let isEmpty = true;

  const begin = (next: number): JpegProblem | undefined => {
    code = next;
    // Zero is no marker outside of data, and the file begins once.
    if (next === 0 || next === marker.start || isRestart(next)) return "MALFORMED";
    if (next === marker.end) {
      place = "end";
      return hasScan ? undefined : "MALFORMED";
    }
    if (next !== marker.prefix) place = "length";
    return undefined;
  };

  const endSegment = (): JpegProblem | undefined => {
    const isScan = code === marker.scan;
    place = isScan ? "data" : "prefix";
    hasScan ||= isScan;
    if (isScan && !hasFrame) return "MALFORMED";
    if (!isFrame(code)) return undefined;
    const [, high = 0, low = 0, wideHigh = 0, wideLow = 0] = frame;
    frame = [];
    hasFrame = true;
    const pixels = (high * 256 + low) * (wideHigh * 256 + wideLow);
    // A height of 0 is told behind the first scan, which is too late for us: B.2.5.
    if (pixels === 0) return "MALFORMED";
    return pixels > pixelsMax ? "TOO_MANY_PIXELS" : undefined;
  };

  const step = (byte: number): JpegProblem | undefined => {
    switch (place) {
      case "start":
        place = "second";
        return byte === marker.prefix ? undefined : "NOT_JPEG";
      case "second":
        place = "prefix";
        return byte === marker.start ? undefined : "NOT_JPEG";
      case "prefix":
        place = "code";
        return byte === marker.prefix ? undefined : "MALFORMED";
      case "code":
        return begin(byte);
      case "length":
        left = byte * 256;
        place = "lengthLow";
        return undefined;
      case "lengthLow":
        // It counts itself.
        left += byte - 2;
        if (left < 0 || (isFrame(code) && left < frameBytes)) return "MALFORMED";
        place = "segment";
        return left === 0 ? endSegment() : undefined;
      case "dataCode":
        // A zero behind the prefix is data, and restarts go on with it: B.1.1.5.
        if (byte === 0 || isRestart(byte)) place = "data";
        else if (byte !== marker.prefix) return begin(byte);
        return undefined;
      case "segment":
      case "data":
        return undefined;
      case "end":
        return "TRAILING_DATA";
    }
  };

  /** Where the next byte is that matters; the others are passed over. */
  const skip = (chunk: Uint8Array, from: number): number => {
    if (place === "data") {
      const found = chunk.indexOf(marker.prefix, from);
      if (found >= 0) place = "dataCode";
      return found < 0 ? chunk.length : found + 1;
    }
    const taken = Math.min(left, chunk.length - from);
    if (isFrame(code) && frame.length < frameBytes) {
      frame.push(...chunk.subarray(from, from + Math.min(taken, frameBytes - frame.length)));
    }
    left -= taken;
    return from + taken;
  };

  return {
    write(chunk) {
      for (let index = 0; index < chunk.length;) {
        isEmpty = false;
        let problem: JpegProblem | undefined;
        if (place === "data" || place === "segment") {
          index = skip(chunk, index);
          if (place === "segment" && left === 0) problem = endSegment();
        } else {
          problem = step(chunk[index] ?? 0);
          index += 1;
        }
        if (problem) return problem;
      }
      return undefined;
    },
    end: () => {
      if (isEmpty) return "EMPTY";
      return place === "end" ? undefined : "TRUNCATED";
    },
  };
}
