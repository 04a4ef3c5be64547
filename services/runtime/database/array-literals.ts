// Arrays as PostgreSQL reads them, written by JSON.stringify: between its brackets JSON says nearly always the same. The driver
// writes them element by element, which was an eighth of what the placement of an order allocated.
import type pg from "pg";

interface QueryText {
  text: string;
  values?: unknown[];
}

/** JSON has escapes of its own for what PostgreSQL takes as it is; these two are the same in both. */
const sameEscapesOnly = /^(?:[^\\]|\\["\\])*$/;
/** Of times whose year has four digits, as ISO 8601 has them. */
const timeMin = Date.parse("0001-01-01T00:00:00Z");
const timeMax = Date.parse("9999-12-31T23:59:59.999Z");

type Kind = "json" | "bytes" | "other";

/** Undefined where there is nothing. */
function kindOf(value: unknown): Kind | undefined {
  if (value === null || value === undefined) return undefined;
  if (typeof value === "string" || typeof value === "boolean") return "json";
  if (typeof value === "number") return Number.isFinite(value) ? "json" : "other";
  if (value instanceof Date) return value.getTime() >= timeMin && value.getTime() <= timeMax ? "json" : "other";
  return value instanceof Uint8Array ? "bytes" : "other";
}

/**
 * The text of an array of texts, numbers, truths, times or bytes, each of which may be null. Undefined where only the driver knows
 * how: nested arrays, mixed ones, control characters. https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
 */
export function arrayLiteral(values: readonly unknown[]): string | undefined {
  let kind: Kind | undefined;
  for (const value of values) {
    const own = kindOf(value);
    if (own === undefined) continue;
    if (own === "other" || (kind !== undefined && own !== kind)) return undefined;
    kind = own;
  }
  if (kind === "bytes") return bytesLiteral(values as readonly (Uint8Array | null | undefined)[]);
  const json = JSON.stringify(values);
  if (json.includes("\\") && !sameEscapesOnly.test(json)) return undefined;
  return `{${json.slice(1, -1)}}`;
}

const bytesLiteral = (values: readonly (Uint8Array | null | undefined)[]): string =>
  `{${values.map((bytes) => (bytes ? String.raw`"\\x${hexOf(bytes)}"` : "null")).join()}}`;

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");

const withLiterals = (values: readonly unknown[]): unknown[] =>
  values.map((value) => (Array.isArray(value) ? (arrayLiteral(value) ?? value) : value));

/** From now on the arrays among the connection's parameters are written here. */
export function writeArrays(client: pg.PoolClient): void {
  const query = client.query.bind(client) as (...given: unknown[]) => unknown;
  const written = (first: unknown, second: unknown, ...rest: unknown[]): unknown => {
    if (typeof first === "string" && Array.isArray(second)) return query(first, withLiterals(second), ...rest);
    const { values } = (first ?? {}) as Partial<QueryText>;
    if (!Array.isArray(values)) return query(first, second, ...rest);
    return query({ ...(first as QueryText), values: withLiterals(values) }, second, ...rest);
  };
  client.query = written as typeof client.query;
}
