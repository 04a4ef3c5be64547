// Metrics of this process in the Prometheus text format, at /metrics of the RPC port.
// https://prometheus.io/docs/instrumenting/exposition_formats/
import { Counter, Gauge, Registry } from "prom-client";

export interface Metrics {
  /** Adds up since the start. Asking again for a name answers the same counter. */
  counter<Label extends string>(name: string, help: string, labels?: readonly Label[]): Counter<Label>;
  /** A value now. Asking again for a name answers the same gauge. */
  gauge<Label extends string>(name: string, help: string, labels?: readonly Label[]): Gauge<Label>;
  /** Everything, as text. */
  text(): Promise<string>;
  contentType: string;
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  return {
    counter: (name, help, labels = []) =>
      (registry.getSingleMetric(name) as Counter<never>) ??
      new Counter({ name, help, labelNames: [...labels], registers: [registry] }),
    gauge: (name, help, labels = []) =>
      (registry.getSingleMetric(name) as Gauge<never>) ??
      new Gauge({ name, help, labelNames: [...labels], registers: [registry] }),
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
