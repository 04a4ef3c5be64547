// Gives statements names, so that PostgreSQL parses and plans each once a connection instead of once a call.
import { createHash } from "node:crypto";
import type pg from "pg";

/** Texts that vary without end would fill the server's memory; what comes after so many stays unnamed. */
const namesMax = 500;

interface QueryText {
  text: string;
  values?: unknown[];
  name?: string;
}

const names = new Map<string, string>();

function nameOf(text: string): string | undefined {
  const known = names.get(text);
  if (known) return known;
  if (names.size >= namesMax) return undefined;
  const name = createHash("sha1").update(text).digest("base64url");
  names.set(text, name);
  return name;
}

const isNameable = (query: unknown): query is QueryText =>
  typeof query === "object" &&
  query !== null &&
  "text" in query &&
  Array.isArray((query as QueryText).values) &&
  !("name" in query);

/** From now on the connection's statements with parameters are prepared under a name. */
export function nameStatements(client: pg.PoolClient): void {
  const query = client.query.bind(client) as (...given: unknown[]) => unknown;
  const named = (...given: unknown[]): unknown => {
    const [first, second, ...rest] = given;
    if (typeof first === "string" && Array.isArray(second) && second.length > 0) {
      const name = nameOf(first);
      return name ? query({ text: first, values: second, name }, ...rest) : query(...given);
    }
    if (!isNameable(first) || first.values?.length === 0) return query(...given);
    const name = nameOf(first.text);
    return name ? query({ ...first, name }, second, ...rest) : query(...given);
  };
  client.query = named as typeof client.query;
}
