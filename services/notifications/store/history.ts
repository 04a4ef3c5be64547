// What notifications tells of an order's history: what the customer was told, and which endpoints. Not to whom, nor in which words.
import { sql, type Kysely } from "kysely";
import { factsMax, type AskedOrder, type TellHistory, type ToldFact, type ToldWait } from "#runtime/history/told-history.ts";
import type { DeliveryState } from "../domain/webhook.ts";
import type { NotificationsTables } from "./tables.ts";

interface NotificationRow {
  id: string;
  fact: string;
  channel: string;
  state: string;
  reason: string;
  attempts: number;
  time: string;
}

interface DeliveryRow {
  id: string;
  endpointId: string;
  eventType: string;
  state: DeliveryState;
  attempts: number;
  time: string;
  nextTime: string | null;
}

export function notificationHistory(db: Kysely<NotificationsTables>): TellHistory {
  return async (order) => {
    const { notifications, deliveries } = await readHistory(db, order);
    const facts = [...notifications.map(notificationFact), ...deliveries.map(deliveryFact)];
    return {
      facts: facts.toSorted((one, other) => one.time.getTime() - other.time.getTime()),
      waits: [...notifications.flatMap(notificationWait), ...deliveries.flatMap(deliveryWait)],
    };
  };
}

async function readHistory(
  db: Kysely<NotificationsTables>,
  { tenant, orderId }: AskedOrder,
): Promise<{ notifications: NotificationRow[]; deliveries: DeliveryRow[] }> {
  // Deliveries of an erased order have no payload any more, and are not found by their key.
  const read = await sql<{ notifications: NotificationRow[]; deliveries: DeliveryRow[] }>`
    select (
      select coalesce(json_agg(told), '[]') from (
        select notification_id as id, fact, channel, state, reason, attempts, create_time as time from notification
        where order_id = ${orderId} and tenant_id = ${tenant} order by create_time, fact, channel limit ${factsMax}
      ) as told
    ) as notifications, (
      select coalesce(json_agg(told), '[]') from (
        select delivery_id as id, endpoint_id as "endpointId", event_type as "eventType", state, attempts, create_time as time,
          next_attempt_time as "nextTime"
        from webhook_delivery where event_key = ${orderId} and tenant_id = ${tenant} and payload is not null
        order by create_time, delivery_id limit ${factsMax}
      ) as told
    ) as deliveries`.execute(db);
  return read.rows[0] ?? { notifications: [], deliveries: [] };
}

/** Reasons that are codes are ours; others are a mail server's words, which may name whom it could not reach. */
const reasonText = (reason: string): string => (/^[A-Z0-9_]+$/.test(reason) ? `, because of ${reason}` : "");

const timesText = (attempts: number): string => (attempts > 1 ? ` after ${attempts} attempts` : "");

const notificationFact = ({ id, fact, channel, state, reason, attempts, time }: NotificationRow): ToldFact => ({
  kind: "MESSAGE",
  name: state,
  id,
  time: new Date(time),
  text: `the customer's ${channel} about "${fact}" is ${state}${timesText(attempts)}${reasonText(reason)}`,
});

const notificationWait = ({ fact, channel, state }: NotificationRow): ToldWait[] =>
  state === "PLANNED" || state === "SENDING" ? [{ text: `the customer's ${channel} about "${fact}" to be sent` }] : [];

const shortName = (typeName: string): string => typeName.slice(typeName.lastIndexOf(".") + 1);

const deliveryFact = ({ id, endpointId, eventType, state, attempts, time }: DeliveryRow): ToldFact => ({
  kind: "MESSAGE",
  name: state,
  id,
  time: new Date(time),
  text: `the webhook of ${endpointId} about ${shortName(eventType)} is ${state}${timesText(attempts)}`,
});

const deliveryWait = ({ endpointId, eventType, state, nextTime }: DeliveryRow): ToldWait[] => {
  if (state !== "PENDING") return [];
  const text = `the webhook of ${endpointId} about ${shortName(eventType)} to be taken`;
  return [{ text, until: nextTime === null ? undefined : new Date(nextTime) }];
};
