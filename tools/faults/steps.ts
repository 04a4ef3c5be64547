// The places at which a service can be made to die. They are read from its definition, so that a new consumer or a new
// kind of due work is broken like the others without a word here.
import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from "kysely";
import { systemClock } from "#runtime/clock.ts";
import { createLogger } from "#runtime/log.ts";
import { createMetrics } from "#runtime/metrics.ts";
import type { ServiceDefinition, ServiceParts, ServiceRuntime } from "#runtime/service.ts";
import { catalog } from "../../services/catalog/main.ts";
import { customers } from "../../services/customers/main.ts";
import { fraud } from "../../services/fraud/main.ts";
import { identity } from "../../services/identity/main.ts";
import { inventory } from "../../services/inventory/main.ts";
import { media } from "../../services/media/main.ts";
import { notifications } from "../../services/notifications/main.ts";
import { operations } from "../../services/operations/main.ts";
import { orders } from "../../services/orders/main.ts";
import { payments } from "../../services/payments/main.ts";
import { shipping } from "../../services/shipping/main.ts";

const definitions = [
  catalog,
  inventory,
  orders,
  payments,
  fraud,
  shipping,
  operations,
  identity,
  customers,
  notifications,
  media,
] as unknown as ServiceDefinition[];

/** A step of the order flow, and its crash points by their full names. */
export interface Step {
  service: string;
  name: string;
  points: string[];
}

/** Steps that answer a request; the runtime does not know them. */
const requests: readonly { service: string; name: string; points?: string[] }[] = [
  { service: "orders", name: "orders.place" },
  { service: "orders", name: "orders.cancel" },
  { service: "orders", name: "orders.confirm_change" },
  { service: "orders", name: "orders.prepare_change", points: ["before_provider", "after_provider"] },
  { service: "orders", name: "orders.request_return" },
  { service: "orders", name: "orders.approve_return" },
  { service: "orders", name: "orders.reject_return" },
  { service: "orders", name: "orders.receive_return" },
  { service: "shipping", name: "shipping.split" },
  { service: "customers", name: "customers.erase" },
  { service: "media", name: "media.upload", points: ["after_provider"] },
];

export const serviceNames: readonly string[] = definitions.map(({ name }) => name);

export function allSteps(): Step[] {
  return definitions.flatMap((definition) => {
    const { hears = [], dueWork = [] } = partsOf(definition);
    const { name: service } = definition;
    return [
      ...requests
        .filter((request) => request.service === service)
        .map(({ name, points = ["before_commit", "after_commit"] }) => step(service, name, points)),
      ...hears.map(({ name }) => step(service, name, ["before_commit", "after_commit", "before_ack"])),
      ...dueWork.map(({ kind }) => step(service, kind, ["after_provider", "before_commit", "after_commit"])),
      step(service, `${service}.relay`, ["before_publish", "after_publish"]),
    ];
  });
}

const step = (service: string, name: string, points: readonly string[]): Step => ({
  service,
  name,
  points: points.map((point) => `${name}:${point}`),
});

/** Wires a service to nothing: a definition says what it hears when it is created, and does nothing before it is asked. */
function partsOf(definition: ServiceDefinition): ServiceParts {
  const refuse = (): never => {
    throw new Error(`${definition.name} works while it is created`);
  };
  const db = new Kysely<never>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: (of) => new PostgresIntrospector(of),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  });
  const client = (() => ({})) as unknown as ServiceRuntime<never>["client"];
  const storage = { db, transaction: refuse };
  return definition.create({
    ...storage,
    system: storage,
    client,
    clientOf: client,
    onEvent: () => () => {},
    storedSubjects: refuse,
    storedEvents: refuse,
    backlogMs: () => 0,
    inBackground: (work) => work(),
    clock: systemClock,
    metrics: createMetrics(),
    log: createLogger({ level: "silent" }),
    env: {},
  });
}
