// Which statements a request makes at the database, seen where they leave this process: what is the same in kind and number takes
// the same time, whatever the machine does meanwhile.
import pg from "pg";
import { requestContext } from "#runtime/request-context.ts";

const seen = new Map<string, string[]>();
// oxlint-disable-next-line typescript/unbound-method -- it is called as a method again
const { query } = pg.Client.prototype;

/** From now on, in this file. */
export function watchStatements(): void {
  const watched = function (this: pg.Client, ...given: unknown[]): unknown {
    const [first] = given;
    const text = typeof first === "string" ? first : (first as { text?: string }).text;
    seen.get(requestContext()?.requestId ?? "")?.push(text ?? "");
    return (query as (...args: unknown[]) => unknown).apply(this, given);
  };
  pg.Client.prototype.query = watched as typeof query;
}

/** The texts of the statements that are made while the work lasts for the request with the id. */
export async function statementsOf(requestId: string, work: () => Promise<unknown>): Promise<string[]> {
  seen.set(requestId, []);
  await work();
  const statements = seen.get(requestId) ?? [];
  seen.delete(requestId);
  return statements;
}
