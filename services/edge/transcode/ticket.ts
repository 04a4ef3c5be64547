// Tickets of streams: who cannot send a header, as a page's EventSource, shows one in the address, where no token belongs.
import type { Route } from "./route.ts";
import { invalidRequest } from "./status.ts";
import type { Exchange } from "./exchange.ts";

export interface Tickets {
  /** The query's parameter; no streaming method may have a field of this name. */
  parameter: string;
  /** What the ticket stands for, as a value of the Authorization header. Rejects where it is not good for the path. */
  redeem(ticket: string, asked: { path: string; requestId: string }): Promise<string>;
}

/**
 * Takes the ticket out of the query of a stream that is asked for by GET, and gives the request what it stands for. Everywhere else
 * it is a parameter that nobody knows: what changes something is not to be opened by an address. Answers with the query that is left.
 */
export async function takeTicket(
  { request, requestId }: Exchange,
  { route, path, search }: { route: Route; path: string; search: string },
  tickets: Tickets | undefined,
): Promise<string> {
  if (!tickets || request.method !== "GET" || route.method.methodKind !== "server_streaming") return search;
  const start = `${tickets.parameter}=`;
  const parameters = search.split("&");
  const given = parameters.filter((parameter) => parameter.startsWith(start));
  if (given.length === 0) return search;
  if (given.length > 1) throw invalidRequest([{ field: tickets.parameter, description: "is given more than once" }]);
  if (request.headers.authorization !== undefined) {
    throw invalidRequest([
      { field: tickets.parameter, description: "is given beside an Authorization header: send one of both" },
    ]);
  }
  request.headers.authorization = await tickets.redeem(given[0]?.slice(start.length) ?? "", { path, requestId });
  return parameters.filter((parameter) => !parameter.startsWith(start)).join("&");
}
