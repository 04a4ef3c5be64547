// DeliveryService, for every service that runs in this process: what it has sent, handled and holds back.
import { timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectRouter } from "@connectrpc/connect";
import type { Kysely, Transaction } from "kysely";
import {
  DeliveryService,
  EventFate,
  RepublishEventsRequestSchema,
  ResolveUnsentEventRequestSchema,
  type CheckEventsRequest,
  type FindUnhandledRequest,
  type FindWrittenRequest,
  type RepublishEventsRequest,
  type ResolveUnsentEventRequest,
} from "#gen/ordermesh/delivery/v1/delivery_service_pb.ts";
import { recordChange } from "../audit-log/record.ts";
import { shown } from "../audit-log/shown.ts";
import type { Clock } from "../clock.ts";
import { refuse } from "../errors.ts";
import type { Logger } from "../log.ts";
import { currentRequest } from "../request-context.ts";
import {
  checkEvents,
  discardUnsent,
  findUnhandled,
  findWrittenKeys,
  readDeliveryStatus,
  retryUnsent,
  rewindRelay,
  type CheckedEvent,
  type UnsentEvent,
} from "./delivery-store.ts";

/** A service as far as its deliveries go. */
export interface DeliveringService {
  name: string;
  db: Kysely<never>;
  transaction<Result>(work: (tx: Transaction<never>) => Promise<Result>): Promise<Result>;
  /** Tells the relay to look. */
  wakeRelay(): void;
}

/** What was published so lately may not have been read from the stream by everybody. Milliseconds. */
const lateMs = 120_000;

export function deliveryRoutes(options: {
  services: () => readonly DeliveringService[];
  clock: Clock;
  log: Logger;
}): (router: ConnectRouter) => void {
  const { services, clock, log } = options;
  const find = (name: string): DeliveringService => {
    const service = services().find((candidate) => candidate.name === name);
    if (!service) throw refuse(Code.NotFound, "SERVICE_NOT_HERE", `${name} does not run in this process`, { service: name });
    return service;
  };
  return (router) => {
    router.service(DeliveryService, {
      checkEvents: (request) => check(find(request.service), request),
      findUnhandled: (request) => unhandled(find(request.service), request),
      getDeliveryStatus: (request) => status(find(request.service)),
      findWritten: (request) => findWritten(find(request.service), request, clock),
      republishEvents: (request) => republish(find(request.service), request, log),
      resolveUnsentEvent: (request) => resolveUnsent(find(request.service), request, log),
    });
  };
}

async function check({ db }: DeliveringService, { events }: CheckEventsRequest) {
  const asked = events.map(({ eventId, eventTime }) => ({ eventId, eventTime: eventTime && timestampDate(eventTime) }));
  return { events: (await checkEvents(db, asked)).map(checkedMessage) };
}

async function unhandled({ db }: DeliveringService, { eventIds, earliestTime, latestTime }: FindUnhandledRequest) {
  if (!earliestTime || !latestTime) throw new Error("a request without its times was not validated");
  const times = { earliest: timestampDate(earliestTime), latest: timestampDate(latestTime) };
  return { eventIds: await findUnhandled(db, { eventIds, ...times }) };
}

function checkedMessage(checked: CheckedEvent) {
  switch (checked.fate) {
    case "unknown":
      return { eventId: checked.eventId, fate: EventFate.UNKNOWN };
    case "handled":
      return { eventId: checked.eventId, fate: EventFate.HANDLED };
    case "parked":
      return { ...checked, fate: EventFate.PARKED };
  }
}

async function status({ db }: DeliveringService) {
  const { oldestUnpublishedTime, unpublished, parked, overdueWork, unsent } = await readDeliveryStatus(db);
  return {
    unpublished: BigInt(unpublished),
    ...(oldestUnpublishedTime && { oldestUnpublishedTime: timestampFromDate(oldestUnpublishedTime) }),
    parked: BigInt(parked),
    overdueWork: BigInt(overdueWork),
    unsent: unsent.map(unsentMessage),
  };
}

const unsentMessage = (event: UnsentEvent) => ({
  ...event,
  sequence: BigInt(event.sequence),
  eventTime: timestampFromDate(event.eventTime),
  payload: new Uint8Array(event.payload),
});

async function findWritten({ db }: DeliveringService, { eventName, keys }: FindWrittenRequest, clock: Clock) {
  const since = new Date(clock.now().getTime() - lateMs);
  return { keys: await findWrittenKeys(db, { eventName, keys, since, tenant: currentRequest().tenant }) };
}

async function republish(service: DeliveringService, request: RepublishEventsRequest, log: Logger) {
  const { sinceTime } = request;
  const since = sinceTime ? timestampDate(sinceTime) : new Date(0);
  const events = await service.transaction(async (tx) => {
    const resource = { kind: "service", id: service.name };
    await recordChange(tx, { resource, after: shown(RepublishEventsRequestSchema, request) });
    return rewindRelay(tx, since);
  });
  log.warn({ service: service.name, since, events }, "events_published_again");
  service.wakeRelay();
  return { events: BigInt(events) };
}

async function resolveUnsent(service: DeliveringService, request: ResolveUnsentEventRequest, log: Logger) {
  const { eventId, discard } = request;
  const isKnown = await service.transaction(async (tx) => {
    if (!(await (discard ? discardUnsent(tx, eventId) : retryUnsent(tx, eventId)))) return false;
    const resource = { kind: "unsent_event", id: eventId };
    await recordChange(tx, { resource, after: shown(ResolveUnsentEventRequestSchema, request) });
    return true;
  });
  if (!isKnown) throw refuse(Code.NotFound, "UNSENT_EVENT_NOT_FOUND", `no unsent event ${eventId}`, { eventId });
  log.info({ service: service.name, event: eventId, discard }, "unsent_event_resolved");
  service.wakeRelay();
  return {};
}
