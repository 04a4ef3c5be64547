// Makes a delivery of each event for each endpoint that wants to be told of it.
import type { DescMessage, Message } from "@bufbuild/protobuf";
import type { Transaction } from "kysely";
import type { ReceivedEvent } from "#runtime/events/hearing.ts";
import { planDue } from "#runtime/schedule/due-work.ts";
import { publicJson } from "../events/webhook-events.ts";
import { deliverKind, insertDeliveries } from "../store/deliveries.ts";
import { readEndpoints, type Endpoint } from "../store/endpoints.ts";
import type { NotificationsTables } from "../store/tables.ts";

export interface PublicEvent {
  desc: DescMessage;
  message: Message;
}

/** The events of one call are of one tenant. */
export async function planDeliveries(
  tx: Transaction<NotificationsTables>,
  events: readonly ReceivedEvent<PublicEvent>[],
  now: Date,
): Promise<void> {
  const [first] = events;
  if (!first) return;
  const { tenant } = first;
  const endpoints = await readEndpoints(tx, tenant);
  if (endpoints.length === 0) return;
  const deliveries = events.flatMap((event) => {
    const wanting = endpoints.filter((endpoint) => wants(endpoint, event));
    if (wanting.length === 0) return [];
    const { typeName } = event.message.desc;
    const payload = payloadOf(event);
    return wanting.map(({ endpointId, state }) => ({
      tenant,
      endpointId,
      eventId: event.id,
      eventType: typeName,
      eventKey: event.key,
      payload,
      state: state === "ENABLED" ? ("PENDING" as const) : ("WITHHELD" as const),
    }));
  });
  await insertDeliveries(tx, deliveries, now);
  const toCall = [
    ...new Set(deliveries.filter(({ state }) => state === "PENDING").map(({ endpointId }) => endpointId)),
  ].toSorted();
  await planDue(
    tx,
    toCall.map((key) => ({ kind: deliverKind, tenant, key, due: { inMs: 0 }, cause: first.cause })),
  );
}

/** What happened before there was the endpoint is not told, also where old events come again. */
function wants({ eventTypes, createTime }: Endpoint, { time, message }: ReceivedEvent<PublicEvent>): boolean {
  return time >= createTime && (eventTypes.length === 0 || eventTypes.includes(message.desc.typeName));
}

/** By Standard Webhooks: type, timestamp and data. */
function payloadOf({ time, message: { desc, message } }: ReceivedEvent<PublicEvent>): string {
  return JSON.stringify({ type: desc.typeName, timestamp: time.toISOString(), data: publicJson(desc, message) });
}
