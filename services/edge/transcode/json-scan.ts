// One pass over JSON text for what JSON.parse hides: keys that come twice, and integers that a double cannot hold.
// It runs after JSON.parse accepted the text and relies on that.

export interface JsonFindings {
  /** Paths of keys that came twice. */
  duplicates: JsonPath[];
  /** Unquoted integers beyond 2^53 - 1. */
  unsafeIntegers: UnsafeInteger[];
  /** True where objects and lists nest deeper than any message of ours; the scan ended there. */
  tooDeep: boolean;
}

export interface UnsafeInteger {
  path: JsonPath;
  /** True where the nearest double is that number, or is written by these digits. */
  isKept: boolean;
}

/** Keys and indexes from the root. */
export type JsonPath = readonly (string | number)[];

interface Frame {
  /** Keys seen; undefined in an array. */
  keys: Set<string> | undefined;
  key: string;
  index: number;
}

const findingsMax = 100;
const depthMax = 200;
const quote = 0x22;
const backslash = 0x5c;
const minus = 0x2d;

/** Undefined where nothing was found, which is nearly always. */
export function scanJson(text: string): JsonFindings | undefined {
  const frames: Frame[] = [];
  let frame: Frame | undefined;
  let expectKey = false;
  let findings: JsonFindings | undefined;
  const noted = (): JsonFindings => (findings ??= { duplicates: [], unsafeIntegers: [], tooDeep: false });
  const here = (): JsonPath => frames.map((open) => (open.keys ? open.key : open.index));
  const noteDuplicate = (): void => {
    const { duplicates } = noted();
    if (duplicates.length < findingsMax) duplicates.push(here());
  };
  const noteUnsafe = (token: string): void => {
    const { unsafeIntegers } = noted();
    if (unsafeIntegers.length < findingsMax) unsafeIntegers.push({ path: here(), isKept: isKept(token) });
  };

  let position = 0;
  while (position < text.length) {
    // Memory is bounded by the depth, not by the length of the text.
    if (frames.length > depthMax) return { duplicates: [], unsafeIntegers: [], tooDeep: true };
    const code = text.charCodeAt(position);
    switch (code) {
      case 0x7b: // {
        frame = { keys: new Set(), key: "", index: 0 };
        frames.push(frame);
        expectKey = true;
        position += 1;
        break;
      case 0x5b: // [
        frame = { keys: undefined, key: "", index: 0 };
        frames.push(frame);
        expectKey = false;
        position += 1;
        break;
      case 0x7d: // }
      case 0x5d: // ]
        frames.pop();
        frame = frames.at(-1);
        expectKey = false;
        position += 1;
        break;
      case 0x2c: // ,
        if (frame?.keys) expectKey = true;
        else if (frame) frame.index += 1;
        position += 1;
        break;
      case quote: {
        const end = endOfString(text, position + 1);
        if (expectKey && frame?.keys) {
          const raw = text.slice(position + 1, end);
          // Decoded, because "\u0061" and "a" are one key.
          const key = raw.includes("\\") ? String(JSON.parse(text.slice(position, end + 1))) : raw;
          frame.key = key;
          if (frame.keys.has(key)) noteDuplicate();
          frame.keys.add(key);
          expectKey = false;
        }
        position = end + 1;
        break;
      }
      default:
        if (code === minus || (code >= 0x30 && code <= 0x39)) {
          const end = endOfNumber(text, position + 1);
          if (end - position >= 16) {
            const token = text.slice(position, end);
            if (isUnsafeInteger(token)) noteUnsafe(token);
          }
          position = end;
        } else {
          position += 1;
        }
    }
  }
  return findings;
}

function endOfString(text: string, start: number): number {
  for (let position = start; ; position += 1) {
    const code = text.charCodeAt(position);
    if (code === quote || Number.isNaN(code)) return position;
    if (code === backslash) position += 1;
  }
}

function endOfNumber(text: string, start: number): number {
  let position = start;
  for (; position < text.length; position += 1) {
    const code = text.charCodeAt(position);
    // Digits, and + - . E e.
    const inNumber = (code >= 0x30 && code <= 0x39) || code === 0x2b || code === minus || code === 0x2e || (code | 0x20) === 0x65;
    if (!inNumber) break;
  }
  return position;
}

function isUnsafeInteger(token: string): boolean {
  return /^-?\d+$/.test(token) && !Number.isSafeInteger(Number(token));
}

function isKept(token: string): boolean {
  const nearest = Number(token);
  return String(nearest) === token || (Number.isFinite(nearest) && BigInt(nearest) === BigInt(token));
}

export function printJsonPath(path: JsonPath): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === "number") return `${text}[${step}]`;
    return text === "" ? step : `${text}.${step}`;
  }, "");
}
