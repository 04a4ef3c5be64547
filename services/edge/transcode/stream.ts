// Server streams as newline-delimited JSON or as Server-Sent Events.
import type { ServerResponse } from "node:http";
import type { Message } from "@bufbuild/protobuf";
import type { AnswerHeaders } from "./answer.ts";
import type { ErrorAnswer } from "./errors.ts";

export interface StreamFormat {
  contentType: string;
  record(json: string, id: string | undefined): string;
  /** Keeps proxies from cutting a quiet stream; means nothing to a reader. */
  heartbeat: string;
  /** What tells a reader that the stream ended well and is not to be resumed. */
  end: string;
  failure(status: ErrorAnswer["status"]): string;
}

export const ndjson: StreamFormat = {
  contentType: "application/x-ndjson",
  record: (json) => `${json}\n`,
  // An empty line, which readers of newline-delimited JSON skip.
  heartbeat: "\n",
  end: "",
  failure: (status) => `${JSON.stringify({ error: status })}\n`,
};

export const serverSentEvents: StreamFormat = {
  contentType: "text/event-stream",
  // JSON has no line breaks in it, so that one data line holds it.
  record: (json, id) => (id === undefined ? `data: ${json}\n\n` : `id: ${id}\ndata: ${json}\n\n`),
  heartbeat: ":\n\n",
  end: "event: end\ndata: {}\n\n",
  failure: (status) => `event: error\ndata: ${JSON.stringify(status)}\n\n`,
};

export function wantsEvents(accept: string | undefined): boolean {
  return accept !== undefined && /(?:^|,)\s*text\/event-stream\s*(?:;(?!\s*q=0(?:\.0+)?\s*(?:,|$))[^,]*)?(?:,|$)/i.test(accept);
}

export interface StreamLimits {
  /** An error before this passed is an answer with its own status; afterwards the stream has begun. */
  headerWaitMs: number;
  heartbeatMs: number;
  /** How long a caller may leave what was written unread. */
  stalledMsMax: number;
}

export interface StreamOptions {
  response: ServerResponse;
  messages: AsyncIterable<Message>;
  format: StreamFormat;
  print: (message: Message) => string;
  idOf: ((message: Message) => string | undefined) | undefined;
  /** The caller named the last event it has seen. */
  resumed: boolean;
  headOnly: boolean;
  headers: AnswerHeaders;
  toErrorAnswer: (error: unknown) => ErrorAnswer;
  limits: StreamLimits;
}

const headerWaitSteps = 8;

/** Writes a stream to its end. What goes wrong before its first byte is thrown; later it is a last record. */
export async function sendStream(options: StreamOptions): Promise<void> {
  const { response, messages, format, print, idOf, limits } = options;
  const start = (): void => {
    if (response.headersSent || response.destroyed) return;
    clearInterval(headerTimer);
    response.writeHead(200, {
      ...options.headers,
      "content-type": format.contentType,
      "cache-control": "no-store",
      "x-accel-buffering": "no",
      "x-content-type-options": "nosniff",
    });
    if (options.headOnly) response.end();
    else response.flushHeaders();
  };
  let written = false;
  let quiet = true;
  // In small steps: a process that was held up finds its timers due before it reads the error that has long come.
  let stepsLeft = headerWaitSteps;
  const headerTimer = setInterval(() => {
    stepsLeft -= 1;
    if (stepsLeft === 0) start();
  }, limits.headerWaitMs / headerWaitSteps);
  const heartbeat = setInterval(() => {
    if (quiet && response.headersSent && !response.writableNeedDrain && !response.writableEnded) response.write(format.heartbeat);
    quiet = true;
  }, limits.heartbeatMs);
  try {
    for await (const message of messages) {
      start();
      if (response.writableEnded || response.destroyed) return;
      written = true;
      quiet = false;
      if (!response.write(format.record(print(message), idOf?.(message)))) await drained(response, limits.stalledMsMax);
    }
    if (response.destroyed || response.writableEnded) return;
    if (!written && !response.headersSent && options.resumed && format === serverSentEvents) {
      // Nothing is left after the last event: 204 is what makes a browser's EventSource stop asking.
      response.writeHead(204, options.headers).end();
      return;
    }
    start();
    if (!response.writableEnded) response.end(format.end);
  } catch (error) {
    if (response.destroyed || response.writableEnded) return;
    if (!response.headersSent) throw error;
    response.end(format.failure(options.toErrorAnswer(error).status));
  } finally {
    clearInterval(headerTimer);
    clearInterval(heartbeat);
  }
}

/** Waits until the caller has read; one that does not is cut off. */
export function drained(response: ServerResponse, stalledMsMax: number): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      response.off("drain", finish).off("close", finish);
      resolve();
    };
    const timer = setTimeout(() => response.destroy(), stalledMsMax);
    response.once("drain", finish).once("close", finish);
  });
}
