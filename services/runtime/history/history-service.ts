// HistoryService, for every service that runs in this process: what it knows of an order.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectRouter } from "@connectrpc/connect";
import type { Kysely } from "kysely";
import {
  FactKind,
  HistoryService,
  type CallSchema,
  type EventToFind,
  type GetOrderHistoryRequest,
  type GetOrderHistoryResponseSchema,
  type UnpublishedEventSchema,
} from "#gen/ordermesh/history/v1/history_service_pb.ts";
import { refuse } from "../errors.ts";
import { currentRequest } from "../request-context.ts";
import { readHandled, readOwnRows, rowsMax, type CallRow, type UnpublishedRow } from "./history-store.ts";
import { factsMax, type TellHistory, type ToldFact, type ToldHistory, type ToldWait } from "./told-history.ts";

/** A service as far as it knows orders. */
export interface KnowingService {
  name: string;
  /** Of the tenant of the request. */
  db: Kysely<never>;
  /** Of all tenants. */
  system: Kysely<never>;
  /** Full type names of the events that it hears. */
  heardTypes: readonly string[];
  /** Of its due work. */
  kinds: readonly string[];
  /** Undefined where it keeps nothing about orders. */
  tell: TellHistory | undefined;
}

export function historyRoutes(services: () => readonly KnowingService[]): (router: ConnectRouter) => void {
  return (router) => {
    router.service(HistoryService, {
      getOrderHistory: async (request) => {
        const { service: name } = request;
        const service = services().find((candidate) => candidate.name === name);
        if (!service) throw refuse(Code.NotFound, "SERVICE_NOT_HERE", `${name} does not run in this process`, { service: name });
        return historyOf(service, request);
      },
    });
  };
}

async function historyOf(
  { db, system, kinds, heardTypes, tell }: KnowingService,
  { orderId, events }: GetOrderHistoryRequest,
): Promise<MessageInitShape<typeof GetOrderHistoryResponseSchema>> {
  const order = { tenant: currentRequest().tenant, orderId };
  const [told, handled] = await Promise.all([tell?.(order) ?? nothing, readHandled(system, events.flatMap(toFind))]);
  const own = await readOwnRows(db, { ...order, kinds, resources: told.resources ?? [] });
  const { parked, unpublished, planned, calls } = own;
  const isCut = (rows: readonly unknown[], most: number): boolean => rows.length > most;
  return {
    handled: handled.map(({ handleTime, ...row }) => ({ ...row, handleTime: timestampFromDate(handleTime) })),
    heardTypes: [...heardTypes],
    parked: parked.slice(0, rowsMax).map(({ parkTime, ...row }) => ({ ...row, parkTime: timeOf(parkTime) })),
    unpublished: unpublished.slice(0, rowsMax).map(unpublishedMessage),
    planned: planned.slice(0, rowsMax).map(({ dueTime, ...row }) => ({ ...row, dueTime: timeOf(dueTime) })),
    calls: calls.slice(0, rowsMax).map(callMessage),
    facts: told.facts.slice(0, factsMax).map(factMessage),
    awaited: told.waits.map(waitMessage),
    state: told.standing?.state ?? "",
    isFinal: told.standing?.isFinal ?? false,
    cut: [
      ...Object.entries({ parked, unpublished, planned, calls }).flatMap(([name, rows]) => (isCut(rows, rowsMax) ? [name] : [])),
      ...(isCut(told.facts, factsMax) ? ["facts"] : []),
    ],
  };
}

const nothing: ToldHistory = { facts: [], waits: [] };

const timeOf = (text: string) => timestampFromDate(new Date(text));

const toFind = ({ eventId, eventTime }: EventToFind) => (eventTime ? [{ eventId, eventTime: timestampDate(eventTime) }] : []);

/** Where its sender began no trace there is nothing to take. */
const traceIdOf = (traceparent: string): string => traceparent.split("-")[1] ?? "";

const unpublishedMessage = ({
  sequence,
  eventTime,
  traceparent,
  ...row
}: UnpublishedRow): MessageInitShape<typeof UnpublishedEventSchema> => ({
  ...row,
  sequence: BigInt(sequence),
  eventTime: timeOf(eventTime),
  traceId: traceIdOf(traceparent),
});

/** Ids of customers are left out: what is told here outlives their erasure. */
function callMessage({ method, time, requestId, subject, roles: list }: CallRow): MessageInitShape<typeof CallSchema> {
  const roles = list.split(" ").filter((role) => role !== "");
  const isNoCustomer = roles.length > 0 && !roles.includes("customer");
  return { method, time: timeOf(time), requestId, actor: isNoCustomer ? subject : "", roles };
}

const factMessage = ({ kind, time, ...fact }: ToldFact) => ({ ...fact, kind: FactKind[kind], time: timestampFromDate(time) });

const waitMessage = ({ until, ...wait }: ToldWait) => ({ ...wait, ...(until && { untilTime: timestampFromDate(until) }) });
