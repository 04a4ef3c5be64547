// One HTTP request and its answer, with what its handling shares.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { ErrorAnswer } from "./errors.ts";
import type { Route } from "./route.ts";

export interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
  requestId: string;
  /** Of every answer. */
  headers: Record<string, string>;
  /** Makes an answer of whatever was thrown, and reports it where it was not foreseen. */
  toErrorAnswer: (error: unknown) => ErrorAnswer;
}

export interface RoutedExchange extends Exchange {
  route: Route;
  /** Raw segments of the path, without the verb. */
  segments: readonly string[];
  /** What follows the "?", raw. */
  search: string;
}
