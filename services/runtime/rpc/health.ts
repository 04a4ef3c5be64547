// Readiness as others ask for it: gRPC health for meshes and balancers, /healthz and /readyz for Kubernetes and people.
import { Code, type ConnectRouter } from "@connectrpc/connect";
import {
  Health as HealthService,
  HealthCheckResponse_ServingStatus as ServingStatus,
  type HealthCheckRequest,
  type HealthCheckResponse_ServingStatus as ServingStatusValue,
} from "#gen/grpc/health/v1/health_pb.ts";
import { refuse } from "#runtime/errors.ts";
import type { Metrics } from "#runtime/metrics.ts";
import { watchReadiness, type Readiness, type ReadinessOptions } from "./readiness.ts";
import type { HttpHandler } from "./http-handler.ts";

export interface Health {
  routes: (router: ConnectRouter) => void;
  /** Answers /healthz, /readyz and /metrics, and 404 to the rest. */
  fallback: HttpHandler;
  report: () => Readiness;
  /** Runs the checks now. */
  refresh: () => Promise<Readiness>;
  /** Says NOT_SERVING from now on; call it before the port closes. */
  drain: () => void;
  stop: () => void;
}

/** Health of the process and of each service in it, by full name; all are serving when all checks pass. */
export function createHealth({
  services,
  metrics,
  ...options
}: ReadinessOptions & { services: readonly string[]; metrics: Metrics }): Health {
  const readiness = watchReadiness(options);
  const known = new Set(["", ...services]);
  const status = (): ServingStatusValue => (readiness.report().ready ? ServingStatus.SERVING : ServingStatus.NOT_SERVING);

  async function* watch({ service }: HealthCheckRequest, { signal }: { signal: AbortSignal }) {
    const gone = Promise.withResolvers<void>();
    signal.addEventListener("abort", () => gone.resolve(), { once: true });
    let last: ServingStatusValue | undefined;
    while (!signal.aborted && !readiness.stopped()) {
      // Asked before the status is read, so that no change falls in between.
      const changed = readiness.changed();
      const now = known.has(service) ? status() : ServingStatus.SERVICE_UNKNOWN;
      if (now !== last) yield { status: now };
      last = now;
      await Promise.race([changed, gone.promise]);
    }
  }

  return {
    routes: (router) => {
      router.service(HealthService, {
        check: ({ service }) => {
          if (known.has(service)) return { status: status() };
          throw refuse(Code.NotFound, "SERVICE_UNKNOWN", `no service "${service}" here`, { service });
        },
        list: () => ({ statuses: Object.fromEntries([...known].map((service) => [service, { status: status() }])) }),
        watch,
      });
    },
    fallback: (request, response) => {
      const path = request.url?.split("?", 1)[0];
      if (path === "/healthz") return answerJson(response, 200, { status: "ok" });
      if (path === "/metrics") return void answerMetrics(response, metrics);
      if (path !== "/readyz") return answerJson(response, 404, { message: "not found" });
      void readiness.refresh().then((report) => answerJson(response, report.ready ? 200 : 503, report));
    },
    report: readiness.report,
    refresh: readiness.refresh,
    drain: readiness.drain,
    stop: readiness.stop,
  };
}

async function answerMetrics(response: Parameters<HttpHandler>[1], metrics: Metrics): Promise<void> {
  const text = await metrics.text();
  response.writeHead(200, { "content-type": metrics.contentType, "cache-control": "no-store" });
  response.end(text);
}

function answerJson(response: Parameters<HttpHandler>[1], status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" });
  response.end(JSON.stringify(body));
}
