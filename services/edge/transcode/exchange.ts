// One HTTP request and its answer, with what its handling shares.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { ErrorAnswer } from "./errors.ts";
import type { Route } from "./route.ts";

/** Says that the answer is a stream, which may stay open for long; false where too many are open. */
export type BecomeStream = () => boolean;

export interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
  requestId: string;
  /** Of every answer. */
  headers: Record<string, string>;
  /** Makes an answer of whatever was thrown, and reports it where it was not foreseen. */
  toErrorAnswer: (error: unknown) => ErrorAnswer;
  becomeStream: BecomeStream;
}

export interface RoutedExchange extends Exchange {
  route: Route;
  /** Raw segments of the path, without the verb. */
  segments: readonly string[];
  /** What follows the "?", raw. */
  search: string;
}
