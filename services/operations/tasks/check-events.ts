// Asks services what became of events, in batches that they take.
import { timestampFromDate, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { DeliveryService, EventFate, type CheckedEvent } from "#gen/ordermesh/delivery/v1/delivery_service_pb.ts";
import type { ServiceRuntime } from "#runtime/service.ts";

export interface AskedEvent {
  eventId: string;
  eventTime: Date;
}

const askedMax = 1_000;

/** What the service says of each event. Throws where it does not answer. */
export async function checkEvents<Tables>(
  { clientOf }: Pick<ServiceRuntime<Tables>, "clientOf">,
  service: string,
  events: readonly AskedEvent[],
): Promise<Map<string, CheckedEvent>> {
  const answers = new Map<string, CheckedEvent>();
  for (let start = 0; start < events.length; start += askedMax) {
    const asked = events.slice(start, start + askedMax);
    const answer = await clientOf(DeliveryService, service).checkEvents({
      service,
      events: asked.map(({ eventId, eventTime }) => ({ eventId, eventTime: timestampFromDate(eventTime) })),
    });
    for (const checked of answer.events) answers.set(checked.eventId, checked);
  }
  return answers;
}

/** Which of the events the service has not handled; cheaper than to ask of each what became of it. Throws where it does not answer. */
export async function findUnhandled<Tables>(
  { clientOf }: Pick<ServiceRuntime<Tables>, "clientOf">,
  service: string,
  events: readonly AskedEvent[],
): Promise<Set<string>> {
  const unhandled = new Set<string>();
  for (let start = 0; start < events.length; start += askedMax) {
    const asked = events.slice(start, start + askedMax);
    const times = asked.map(({ eventTime }) => eventTime.getTime());
    const answer = await clientOf(DeliveryService, service).findUnhandled({
      service,
      eventIds: asked.map(({ eventId }) => eventId),
      earliestTime: timestampFromMs(Math.min(...times)),
      latestTime: timestampFromMs(Math.max(...times)),
    });
    for (const eventId of answer.eventIds) unhandled.add(eventId);
  }
  return unhandled;
}

export const isHandled = (checked: CheckedEvent | undefined): boolean => checked?.fate === EventFate.HANDLED;
export const isParked = (checked: CheckedEvent | undefined): checked is CheckedEvent => checked?.fate === EventFate.PARKED;
