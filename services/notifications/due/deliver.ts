// Calls one endpoint with what is due for it, a few calls at a time: one that is slow or dead has one place here, and keeps it from
// nobody else.
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Transaction } from "kysely";
import { WebhookEndpointDisabledSchema } from "#gen/ordermesh/notifications/events/v1/notifications_events_pb.ts";
import { appendEvents } from "#runtime/events/outbox.ts";
import { outgoing, type Cause } from "#runtime/events/outgoing.ts";
import { shortenedMs } from "#runtime/faults.ts";
import { dueWork, planDue, type DueWork } from "#runtime/schedule/due-work.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { afterCall, healthAfter, webhookRetryMs } from "../domain/webhook.ts";
import { callWebhook, type CallResult } from "../provider/webhook-call.ts";
import type { WebhookSettings } from "../provider/webhook-settings.ts";
import { webhookHeaders } from "../provider/webhook-sign.ts";
import {
  claimDeliveries,
  deliverKind,
  nextAttempt,
  saveCall,
  withholdPending,
  type ClaimedDelivery,
} from "../store/deliveries.ts";
import { lockEndpoint, saveEndpoint, type Endpoint, type EndpointKey } from "../store/endpoints.ts";
import { openSecret } from "../store/sealed-secret.ts";
import type { NotificationsTables } from "../store/tables.ts";

type Runtime = Pick<ServiceRuntime<NotificationsTables>, "transaction" | "clock" | "log">;
interface Called {
  delivery: ClaimedDelivery;
  time: Date;
  result: CallResult;
}

/** Calls under way at one endpoint. */
const underWayMax = 8;
/** Longer than a call may take; who dies with it is replaced then. */
const claimSeconds = shortenedMs("ORDERMESH_TEST_CLAIM_MS", 30_000) / 1_000;
/** Where all places are taken by somebody else. */
const fullPauseMs = 1_000;

export function deliverWork(runtime: Runtime, settings: WebhookSettings, sealingKey: () => Buffer): DueWork {
  return dueWork<NotificationsTables, { calls: number }>({
    kind: deliverKind,
    prepare: async ({ tenant, key: endpointId, cause }) => {
      const key = { tenant, endpointId };
      const claim = await runtime.transaction((tx) => claimRound(tx, key));
      if (!claim) return { calls: 0 };
      const secrets = secretsOf(claim.endpoint, sealingKey(), runtime.clock.now());
      const calls = await Promise.all(
        claim.deliveries.map(async (delivery): Promise<Called> => {
          const time = runtime.clock.now();
          const { eventId: id, payload: body } = delivery;
          const headers = webhookHeaders({ id, time, body }, secrets);
          return { delivery, time, result: await callWebhook({ url: claim.endpoint.url, headers, body }, settings) };
        }),
      );
      // Here and not with the end of the work: a new event plans it anew, and what was called is to be known all the same.
      if (calls.length > 0) await runtime.transaction((tx) => saveRound(tx, runtime, { key, calls, settings, cause }));
      return { calls: calls.length };
    },
    apply: async (tx, items) => {
      for (const { item, prepared } of items) {
        const { tenant, key, cause } = item;
        const next = await nextAttempt(tx, { tenant, endpointId: key });
        if (!next) continue;
        const earliest = new Date(next.now.getTime() + (prepared.calls === 0 ? fullPauseMs : 0));
        const at = next.time > earliest ? next.time : earliest;
        await planDue(tx, [{ kind: deliverKind, tenant, key, due: { at }, cause }]);
      }
    },
  });
}

async function claimRound(
  tx: Transaction<NotificationsTables>,
  key: EndpointKey,
): Promise<{ endpoint: Endpoint; deliveries: ClaimedDelivery[] } | undefined> {
  const endpoint = await lockEndpoint(tx, key);
  if (!endpoint) return undefined;
  if (endpoint.state === "ENABLED")
    return { endpoint, deliveries: await claimDeliveries(tx, key, { underWayMax, claimSeconds }) };
  await withholdPending(tx, key);
  return undefined;
}

function secretsOf({ endpointId, secret, oldSecret, oldSecretExpireTime }: Endpoint, sealingKey: Buffer, now: Date): string[] {
  const sealed = oldSecret && oldSecretExpireTime && oldSecretExpireTime > now ? [secret, oldSecret] : [secret];
  return sealed.map((each) => openSecret(sealingKey, endpointId, each));
}

async function saveRound(
  tx: Transaction<NotificationsTables>,
  { clock, log }: Runtime,
  { key, calls, settings, cause }: { key: EndpointKey; calls: readonly Called[]; settings: WebhookSettings; cause: Cause },
): Promise<void> {
  const endpoint = await lockEndpoint(tx, key);
  if (!endpoint) return;
  const retryMs = settings.retryMs ?? webhookRetryMs;
  for (const { delivery, time, result } of calls) {
    const { deliveryId, attempt } = delivery;
    const after = afterCall(result.statusCode, { attempt, retryMs, chance: Math.random() });
    await saveCall(tx, key.tenant, { deliveryId, attempt, call: { attemptTime: time, ...result }, after });
  }
  const now = clock.now();
  const statusCodes = calls.map(({ result }) => result.statusCode);
  const { disable, ...health } = healthAfter(endpoint, statusCodes, { now, disableAfterMs: settings.disableAfterMs });
  if (!disable || endpoint.state === "DISABLED") {
    const isAsBefore = endpoint.failures === 0 && health.failures === 0;
    return isAsBefore ? undefined : saveEndpoint(tx, key, { ...endpoint, ...health });
  }
  const eventsSent = endpoint.eventsSent + 1;
  await saveEndpoint(tx, key, { ...endpoint, ...health, state: "DISABLED", disableReason: disable, eventsSent, updateTime: now });
  await withholdPending(tx, key);
  const { endpointId, tenant } = key;
  const message = { endpointId, reason: disable, failures: health.failures, disableTime: timestampFromDate(now) };
  await appendEvents(tx, [outgoing(WebhookEndpointDisabledSchema, message, { tenant, sequence: eventsSent, time: now, cause })]);
  log.warn({ endpointId, reason: disable, failures: health.failures }, "webhook_endpoint_disabled");
}
