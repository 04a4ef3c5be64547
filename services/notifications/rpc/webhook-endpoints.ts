// Making, changing and removing endpoints.
import { durationMs } from "@bufbuild/protobuf/wkt";
import { Code, type ServiceImpl } from "@connectrpc/connect";
import type { Transaction } from "kysely";
import { WebhookEndpointSchema, type WebhookEndpoint } from "#gen/ordermesh/notifications/v1/webhook_pb.ts";
import type { WebhooksService } from "#gen/ordermesh/notifications/v1/webhooks_service_pb.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { refuse } from "#runtime/errors.ts";
import { newId } from "#runtime/ids.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { publicEventTypes } from "../events/webhook-events.ts";
import { newSecret } from "../provider/webhook-sign.ts";
import type { WebhookSettings } from "../provider/webhook-settings.ts";
import { withholdPending } from "../store/deliveries.ts";
import {
  deleteEndpoint,
  insertEndpoint,
  lockEndpoint,
  readEndpoint,
  readEndpoints,
  saveEndpoint,
  type Endpoint,
  type EndpointKey,
  type EndpointWords,
} from "../store/endpoints.ts";
import { sealSecret } from "../store/sealed-secret.ts";
import type { NotificationsTables } from "../store/tables.ts";
import { endpointMessage } from "./webhook-messages.ts";
import { assertWords, endpointNotFound } from "./webhook-refusals.ts";

/** Every event is held against every endpoint. */
const endpointsMax = 50;
const overlapMsDefault = 86_400_000;
const maskable = ["url", "description", "event_types"] as const;

export interface WebhookDeps extends ServiceRuntime<NotificationsTables> {
  settings: WebhookSettings;
  sealingKey: () => Buffer;
}

type Methods = Omit<
  ServiceImpl<typeof WebhooksService>,
  "pingWebhookEndpoint" | "listWebhookDeliveries" | "replayWebhookDelivery" | "replayWebhookDeliveries"
>;

export function endpointMethods({ db, transaction, clock, settings, sealingKey }: WebhookDeps): Methods {
  /** Changes an endpoint that is locked, and writes down that it was. */
  const change = (endpointId: string, decide: (tx: Transaction<NotificationsTables>, endpoint: Endpoint) => Promise<Endpoint>) =>
    transaction(async (tx) => {
      const key = keyOf(endpointId);
      const before = await known(lockEndpoint(tx, key), endpointId);
      const after = await decide(tx, before);
      const isChanged = JSON.stringify(shownEndpoint(after)) !== JSON.stringify(shownEndpoint(before));
      const saved = isChanged ? { ...after, updateTime: clock.now() } : before;
      if (isChanged) await saveEndpoint(tx, key, saved);
      await recordChange(tx, { resource: resourceOf(endpointId), before: shownEndpoint(before), after: shownEndpoint(after) });
      return { endpoint: endpointMessage(saved) };
    });

  return {
    listWebhookEventTypes: () => ({ eventTypes: [...publicEventTypes] }),

    createWebhookEndpoint: async ({ endpoint: given }) => {
      const words = wordsOf(given);
      assertWords(words, settings);
      const endpointId = newId("whe");
      const secret = newSecret();
      const key = keyOf(endpointId);
      const sealed = sealSecret(sealingKey(), endpointId, secret);
      const endpoint = await transaction(async (tx) => {
        const wanted = { ...words, endpointId, secret: sealed, now: clock.now() };
        if (!(await insertEndpoint(tx, key.tenant, { endpoint: wanted, endpointsMax }))) throw tooManyEndpoints();
        const made = await known(readEndpoint(tx, key), endpointId);
        await recordChange(tx, { resource: resourceOf(endpointId), after: shownEndpoint(made) });
        return made;
      });
      return { endpoint: endpointMessage(endpoint), secret };
    },

    getWebhookEndpoint: async ({ endpointId }) => ({
      endpoint: endpointMessage(await known(readEndpoint(db, keyOf(endpointId)), endpointId)),
    }),

    listWebhookEndpoints: async () => ({ endpoints: (await readEndpoints(db, currentRequest().tenant)).map(endpointMessage) }),

    updateWebhookEndpoint: ({ endpointId, endpoint: given, updateMask }) =>
      change(endpointId, (_tx, before) => {
        const after = { ...before, ...taken(wordsOf(given), updateMask?.paths ?? []) };
        assertWords(after, settings);
        return Promise.resolve(after);
      }),

    deleteWebhookEndpoint: async ({ endpointId }) => {
      await transaction(async (tx) => {
        const key = keyOf(endpointId);
        const before = await known(lockEndpoint(tx, key), endpointId);
        await deleteEndpoint(tx, key);
        await recordChange(tx, { resource: resourceOf(endpointId), before: shownEndpoint(before) });
      });
      return {};
    },

    // Its failures are forgotten: it has a new beginning.
    enableWebhookEndpoint: ({ endpointId }) =>
      change(endpointId, (_tx, before) =>
        Promise.resolve({ ...before, state: "ENABLED", disableReason: "", failures: 0, failingSince: null }),
      ),

    disableWebhookEndpoint: ({ endpointId }) =>
      change(endpointId, async (tx, before) => {
        if (before.state === "DISABLED") return before;
        await withholdPending(tx, keyOf(endpointId));
        return { ...before, state: "DISABLED", disableReason: "REQUESTED" };
      }),

    rotateWebhookSecret: async ({ endpointId, overlap }) => {
      const secret = newSecret();
      const overlapMs = overlap ? durationMs(overlap) : overlapMsDefault;
      const endpoint = await transaction(async (tx) => {
        const key = keyOf(endpointId);
        const before = await known(lockEndpoint(tx, key), endpointId);
        const now = clock.now();
        const old =
          overlapMs > 0
            ? { oldSecret: before.secret, oldSecretExpireTime: new Date(now.getTime() + overlapMs) }
            : { oldSecret: null, oldSecretExpireTime: null };
        const after = { ...before, ...old, secret: sealSecret(sealingKey(), endpointId, secret), updateTime: now };
        await saveEndpoint(tx, key, after);
        // Without what was before: what has changed is shown to nobody.
        await recordChange(tx, { resource: resourceOf(endpointId), after: shownEndpoint(after) });
        return after;
      });
      return { endpoint: endpointMessage(endpoint), secret };
    },
  };
}

export const keyOf = (endpointId: string): EndpointKey => ({ tenant: currentRequest().tenant, endpointId });

export async function known(reading: Promise<Endpoint | undefined>, endpointId: string): Promise<Endpoint> {
  const endpoint = await reading;
  if (!endpoint) throw endpointNotFound(endpointId);
  return endpoint;
}

const resourceOf = (id: string) => ({ kind: "webhook_endpoint", id });
const shownEndpoint = (endpoint: Endpoint) => {
  const { updateTime: _, ...rest } = shown(WebhookEndpointSchema, endpointMessage(endpoint));
  return rest;
};

const wordsOf = (given: WebhookEndpoint | undefined): EndpointWords => ({
  url: given?.url ?? "",
  description: given?.description ?? "",
  eventTypes: [...new Set(given?.eventTypes)],
});

/** Those that the mask names, all by "*", and without a mask those that have a value (AIP-134). */
function taken(words: EndpointWords, mask: readonly string[]): Partial<EndpointWords> {
  const byPath = { url: words.url, description: words.description, event_types: words.eventTypes };
  const paths = mask.length === 0 ? maskable.filter((path) => byPath[path].length > 0) : mask.includes("*") ? maskable : mask;
  const unknown = paths.find((path) => !maskable.some((each) => each === path));
  if (unknown !== undefined) {
    const message = `update_mask names ${unknown}; it may name ${maskable.join(", ")}`;
    throw refuse(Code.InvalidArgument, "UPDATE_MASK_INVALID", message, { path: unknown });
  }
  const names = { url: "url", description: "description", event_types: "eventTypes" } as const;
  return Object.fromEntries(maskable.filter((path) => paths.includes(path)).map((path) => [names[path], byPath[path]]));
}

const tooManyEndpoints = () =>
  refuse(Code.ResourceExhausted, "TOO_MANY_ENDPOINTS", `the shop has ${endpointsMax} endpoints already, delete one first`, {
    endpointsMax: String(endpointsMax),
  });
