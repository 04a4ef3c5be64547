// What endpoints were told, and telling it once more.
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { Code, type ServiceImpl } from "@connectrpc/connect";
import type { Transaction } from "kysely";
import { WebhookDeliverySchema } from "#gen/ordermesh/notifications/v1/webhook_pb.ts";
import type { WebhooksService } from "#gen/ordermesh/notifications/v1/webhooks_service_pb.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { refuse } from "#runtime/errors.ts";
import { requestCause } from "#runtime/events/outgoing.ts";
import { newId } from "#runtime/ids.ts";
import { cutPage, pageSizeOf, readPageToken } from "#runtime/page-token.ts";
import { planDue } from "#runtime/schedule/due-work.ts";
import { deliverKind, insertDeliveries, listDeliveries, replayDeliveries, type Delivery } from "../store/deliveries.ts";
import { lockEndpoint, readEndpoint, type EndpointKey } from "../store/endpoints.ts";
import type { NotificationsTables } from "../store/tables.ts";
import { keyOf, known, type WebhookDeps } from "./webhook-endpoints.ts";
import { deliveryMessage, deliveryStateOf } from "./webhook-messages.ts";
import { assertEnabled, deliveryNotFound } from "./webhook-refusals.ts";

const pingType = "ordermesh.notifications.v1.Ping";

type Methods = Pick<
  ServiceImpl<typeof WebhooksService>,
  "pingWebhookEndpoint" | "listWebhookDeliveries" | "replayWebhookDelivery" | "replayWebhookDeliveries"
>;

export function deliveryMethods({ db, transaction, clock }: WebhookDeps): Methods {
  /** Locked against those that disable or remove the endpoint meanwhile. */
  const toEnabled = <Answer>(
    endpointId: string,
    work: (tx: Transaction<NotificationsTables>, key: EndpointKey) => Promise<Answer>,
  ): Promise<Answer> =>
    transaction(async (tx) => {
      const key = keyOf(endpointId);
      assertEnabled(await known(lockEndpoint(tx, key), endpointId));
      const answer = await work(tx, key);
      await planDue(tx, [{ kind: deliverKind, tenant: key.tenant, key: endpointId, due: { inMs: 0 }, cause: requestCause() }]);
      return answer;
    });

  return {
    pingWebhookEndpoint: ({ endpointId }) =>
      toEnabled(endpointId, async (tx, key) => {
        const now = clock.now();
        const payload = JSON.stringify({ type: pingType, timestamp: now.toISOString(), data: { endpointId } });
        const ping = {
          ...key,
          eventId: newId("evt"),
          eventType: pingType,
          eventKey: endpointId,
          payload,
          state: "PENDING",
        } as const;
        const [deliveryId = ""] = await insertDeliveries(tx, [ping], now);
        const delivery = await knownDelivery(tx, key, deliveryId);
        await recordChange(tx, { resource: resourceOf(deliveryId), after: shownDelivery(delivery) });
        return { delivery: deliveryMessage(delivery) };
      }),

    listWebhookDeliveries: async ({ endpointId, state, pageSize, pageToken }) => {
      const key = keyOf(endpointId);
      await known(readEndpoint(db, key), endpointId);
      const rowsWanted = pageSizeOf(pageSize);
      const wanted = { ...key, state: deliveryStateOf(state), before: readPageToken(pageToken), rowsMax: rowsWanted + 1 };
      const page = cutPage(await listDeliveries(db, wanted), rowsWanted, ({ deliveryId }) => deliveryId);
      return { deliveries: page.rows.map(deliveryMessage), nextPageToken: page.nextPageToken };
    },

    replayWebhookDelivery: ({ endpointId, deliveryId }) =>
      toEnabled(endpointId, async (tx, key) => {
        const before = await knownDelivery(tx, key, deliveryId);
        if (before.isErased) {
          const message = `what delivery ${deliveryId} was about is erased, so there is nothing to send`;
          throw refuse(Code.FailedPrecondition, "DELIVERY_ERASED", message, { deliveryId });
        }
        await replayDeliveries(tx, key, { deliveryId });
        const after = await knownDelivery(tx, key, deliveryId);
        await recordChange(tx, { resource: resourceOf(deliveryId), after: shownDelivery(after) });
        return { delivery: deliveryMessage(after) };
      }),

    replayWebhookDeliveries: ({ endpointId, sinceTime }) =>
      toEnabled(endpointId, async (tx, key) => {
        if (!sinceTime) throw new Error("a request without a time passed validation");
        const since = timestampDate(sinceTime);
        const deliveries = await replayDeliveries(tx, key, { since });
        const after = { replayedSince: since.toISOString(), deliveries: String(deliveries) };
        await recordChange(tx, { resource: { kind: "webhook_endpoint", id: endpointId }, after });
        return { deliveries };
      }),
  };
}

async function knownDelivery(tx: Transaction<NotificationsTables>, key: EndpointKey, deliveryId: string): Promise<Delivery> {
  const [delivery] = await listDeliveries(tx, { ...key, deliveryId, before: undefined, rowsMax: 1 });
  if (!delivery) throw deliveryNotFound(deliveryId);
  return delivery;
}

const resourceOf = (id: string) => ({ kind: "webhook_delivery", id });
/** Without the calls, whose answers are not ours. */
const shownDelivery = (delivery: Delivery) => shown(WebhookDeliverySchema, deliveryMessage({ ...delivery, calls: [] }));
