// The same for operations, and for what every service offers for its deliveries.
import { sql } from "kysely";
import { DeliveryService } from "#gen/ordermesh/delivery/v1/delivery_service_pb.ts";
import { OperationsService } from "#gen/ordermesh/operations/v1/operations_service_pb.ts";
import { systemClock } from "#runtime/clock.ts";
import { deliveryRoutes } from "#runtime/delivery/delivery-service.ts";
import { createLogger } from "#runtime/log.ts";
import { catalog } from "../../services/catalog/main.ts";
import { operations } from "../../services/operations/main.ts";
import { fileFailures, type Failure } from "../../services/operations/store/letters/file-letters.ts";
import { ScheduleService } from "#gen/ordermesh/schedule/v1/schedule_service_pb.ts";
import { declareJobs, pauseJob } from "#runtime/schedule/job-store.ts";
import { scheduleRoutes } from "#runtime/schedule/schedule-service.ts";
import { inventory } from "../../services/inventory/main.ts";
import { serviceFixture } from "../support/service-fixture.ts";
import { callerOf } from "./callers.ts";
import { worldOf, type Scenario } from "./scenarios.ts";

const typeName = "ordermesh.catalog.events.v1.ProductCreated";
const failure: Failure = {
  service: "inventory",
  consumer: "inventory_p0",
  stream: "EVENTS",
  streamSequence: 7,
  position: 7,
  original: {
    eventId: "evt_1",
    eventTime: new Date(),
    typeName,
    tenant: "demo",
    key: "prod_1",
    subject: `p.0.${typeName}.demo.prod_1`,
    headers: [],
    payload: new Uint8Array(),
    letterId: "",
  },
  code: "HANDLER_FAILED",
  message: "for the test",
  attempts: 3,
  attemptsAreTotal: true,
  time: new Date(),
  source: "advisory",
};
const asked = { reason: "for the test" };

async function operationsWorld() {
  const fixture = await serviceFixture(operations, {
    others: (router) => {
      router.service(DeliveryService, { republishEvents: () => ({ events: 3n }) });
      router.service(ScheduleService, {
        pauseJob: ({ name }) => ({ job: { name, paused: true } }),
        resumeJob: ({ name }) => ({ job: { name } }),
        runJob: ({ name }) => ({ job: { name } }),
      });
    },
  });
  const world = worldOf(fixture);
  await fixture.runtime.transaction((tx) => fileFailures(tx, [failure]));
  const { rows } = await sql<{ id: string }>`select letter_id as id from dead_letter`.execute(world.db);
  return { ...world, letterId: rows[0]?.id ?? "" };
}

async function deliveryWorld() {
  const fixture = await serviceFixture(catalog);
  const { db, transaction } = fixture.runtime;
  const service = { name: "catalog", db, transaction, wakeRelay: () => {} } as never;
  const routes = deliveryRoutes({ services: () => [service], clock: systemClock, log: createLogger({ level: "silent" }) });
  return { ...worldOf(fixture), client: callerOf(DeliveryService, { routes }) };
}

type JobMethod = "pauseJob" | "resumeJob" | "runJob";
const theJob = { service: "inventory", name: "inventory.report" };

/** Operations writes down what was wanted, whatever comes of it. */
const askedFor = (method: string, call: JobMethod): Scenario => ({
  method: `ordermesh.operations.v1.OperationsService/${method}`,
  resourceKind: "job",
  changesAgain: true,
  prepare: async () => {
    const { letterId: _letterId, ...world } = await operationsWorld();
    const change = async () => {
      await world.client(OperationsService)[call](theJob);
      return theJob.name;
    };
    return { ...world, change };
  },
});

/** The service itself writes down what has changed. */
const done = (method: string, call: JobMethod, paused: boolean, rest: Partial<Scenario> = {}): Scenario => ({
  ...rest,
  method: `ordermesh.schedule.v1.ScheduleService/${method}`,
  resourceKind: "job",
  prepare: async () => {
    const fixture = await serviceFixture(inventory);
    const { transaction } = fixture.runtime;
    await transaction((tx) => declareJobs(tx, [{ name: theJob.name, cron: "0 2 * * *", timeZone: "UTC" }]));
    if (paused) await transaction((tx) => pauseJob(tx, theJob.name, true));
    const service = { name: "inventory", db: fixture.runtime.db, transaction } as never;
    const client = callerOf(ScheduleService, { routes: scheduleRoutes(() => [service]) });
    const change = async () => {
      await client[call](theJob);
      return theJob.name;
    };
    return { ...worldOf(fixture), client: () => client as never, change };
  },
});

export const operationsScenarios: readonly Scenario[] = [
  askedFor("PauseJob", "pauseJob"),
  askedFor("ResumeJob", "resumeJob"),
  askedFor("RunJob", "runJob"),
  done("PauseJob", "pauseJob", false),
  done("ResumeJob", "resumeJob", true),
  done("RunJob", "runJob", false, { changesAgain: true }),
  {
    method: "ordermesh.operations.v1.OperationsService/RedriveDeadLetter",
    resourceKind: "dead_letter",
    prepare: async () => {
      const { letterId, ...world } = await operationsWorld();
      const request = { letterId, ...asked };
      const redrive = async () => (await world.client(OperationsService).redriveDeadLetter(request)).deadLetter?.letterId;
      return { ...world, change: redrive };
    },
  },
  {
    method: "ordermesh.operations.v1.OperationsService/RedriveDeadLetters",
    resourceKind: "redrive",
    prepare: async () => {
      const { letterId: _letterId, ...world } = await operationsWorld();
      const request = { ...asked, filter: {}, requestId: "redrive-1" };
      const redrive = async () => (await world.client(OperationsService).redriveDeadLetters(request)).redrive?.redriveId;
      return { ...world, change: redrive };
    },
  },
  {
    method: "ordermesh.operations.v1.OperationsService/DiscardDeadLetter",
    resourceKind: "dead_letter",
    prepare: async () => {
      const { letterId, ...world } = await operationsWorld();
      const request = { letterId, ...asked };
      const discard = async () => (await world.client(OperationsService).discardDeadLetter(request)).deadLetter?.letterId;
      return { ...world, change: discard };
    },
  },
  {
    method: "ordermesh.operations.v1.OperationsService/RepublishEvents",
    resourceKind: "service",
    changesAgain: true,
    prepare: async () => {
      const { letterId: _letterId, ...world } = await operationsWorld();
      const request = { service: "catalog", sinceTime: { seconds: 1n }, ...asked };
      const republish = async () => {
        await world.client(OperationsService).republishEvents(request);
        return "catalog";
      };
      return { ...world, change: republish };
    },
  },
  {
    method: "ordermesh.operations.v1.OperationsService/RunAudit",
    resourceKind: "audit",
    changesAgain: true,
    prepare: async () => {
      const { letterId: _letterId, ...world } = await operationsWorld();
      const run = async () => {
        // Nobody audits here: it waits until its time is over, less what the report needs.
        await world.client(OperationsService).runAudit({}, { timeoutMs: 1_500 });
        return "books";
      };
      return { ...world, change: run };
    },
  },
  {
    method: "ordermesh.delivery.v1.DeliveryService/RepublishEvents",
    resourceKind: "service",
    changesAgain: true,
    prepare: async () => {
      const { client, ...world } = await deliveryWorld();
      const republish = async () => {
        await client.republishEvents({ service: "catalog", sinceTime: { seconds: 1n } });
        return "catalog";
      };
      return { ...world, client: () => client as never, change: republish };
    },
  },
  {
    method: "ordermesh.delivery.v1.DeliveryService/ResolveUnsentEvent",
    resourceKind: "unsent_event",
    prepare: async () => {
      const { client, ...world } = await deliveryWorld();
      await sql`
        insert into unsent_event values ('evt_1', 1, 'type', 'demo', 'key', 1, now(), 'req', '', '', 'PAYLOAD_TOO_LARGE', 'too large')`.execute(
        world.db,
      );
      const resolve = async () => {
        await client.resolveUnsentEvent({ service: "catalog", eventId: "evt_1", discard: true });
        return "evt_1";
      };
      return { ...world, client: () => client as never, change: resolve };
    },
  },
];
