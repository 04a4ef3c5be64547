// JSON logs: a fixed name for what happened, and fields. No payloads, no secrets, no card data.
import { pino, type Logger as PinoLogger } from "pino";
import { redact } from "./redact.ts";
import { requestContext } from "./request-context.ts";

export type Logger = PinoLogger;

export function createLogger(options: { level: string; destination?: { write(line: string): void } }): Logger {
  const settings = {
    level: options.level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    hooks: { streamWrite: redact },
    formatters: { level: (label: string) => ({ level: label }) },
    // Every line that is written while a request or an event is handled carries its ids.
    mixin: () => {
      const context = requestContext();
      return context ? { requestId: context.requestId, traceId: context.traceparent.slice(3, 35), tenant: context.tenant } : {};
    },
  };
  return options.destination ? pino(settings, options.destination) : pino(settings);
}
