// The same for notifications.
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Client } from "@connectrpc/connect";
import { NotificationsService } from "#gen/ordermesh/notifications/v1/notifications_service_pb.ts";
import { WebhooksService } from "#gen/ordermesh/notifications/v1/webhooks_service_pb.ts";
import { notificationsFixture } from "../../services/notifications/notifications.fixture.ts";
import { subjects } from "./callers.ts";
import { worldOf, type Scenario } from "./scenarios.ts";

const template = { fact: "ready", language: "en", channel: "email" };
const content = { subject: "Ready", text: "It is ready." };
const templateName = "ready/en/email";

async function notificationsWorld() {
  const world = worldOf(await notificationsFixture());
  return { ...world, notifications: world.client(NotificationsService), webhooks: world.client(WebhooksService) };
}

const url = "https://hooks.invalid/";

/** What changes an endpoint that has been told of a ping. */
const ofEndpoint = (
  method: string,
  change: (
    webhooks: Client<typeof WebhooksService>,
    ids: { endpointId: string; deliveryId: string },
  ) => Promise<string | undefined>,
  about: { resourceKind?: string; changesAgain?: true; isDisabled?: true } = {},
): Scenario => ({
  method: `ordermesh.notifications.v1.WebhooksService/${method}`,
  resourceKind: about.resourceKind ?? "webhook_endpoint",
  ...(about.changesAgain && { changesAgain: true }),
  prepare: async () => {
    const { webhooks, ...world } = await notificationsWorld();
    const { endpoint } = await webhooks.createWebhookEndpoint({ endpoint: { url } });
    const endpointId = endpoint?.endpointId ?? "";
    const { delivery } = await webhooks.pingWebhookEndpoint({ endpointId });
    if (about.isDisabled) await webhooks.disableWebhookEndpoint({ endpointId });
    return { ...world, change: () => change(webhooks, { endpointId, deliveryId: delivery?.deliveryId ?? "" }) };
  },
});

export const notificationsScenarios: readonly Scenario[] = [
  {
    method: "ordermesh.notifications.v1.NotificationsService/PutTemplate",
    resourceKind: "notification_template",
    prepare: async () => {
      const { notifications, ...world } = await notificationsWorld();
      const change = async () => {
        await notifications.putTemplate({ ...template, content });
        return templateName;
      };
      return { ...world, change };
    },
  },
  {
    method: "ordermesh.notifications.v1.NotificationsService/DeleteTemplate",
    resourceKind: "notification_template",
    prepare: async () => {
      const { notifications, ...world } = await notificationsWorld();
      await notifications.putTemplate({ ...template, content });
      const change = async () => {
        await notifications.deleteTemplate(template);
        return templateName;
      };
      return { ...world, change };
    },
  },
  {
    method: "ordermesh.notifications.v1.NotificationsService/UpdatePreferences",
    resourceKind: "notification_preferences",
    prepare: async () => {
      const { notifications, ...world } = await notificationsWorld();
      const customerId = subjects.customer;
      const preferences = [{ fact: "ready", channel: "sms", enabled: true }];
      const change = async () => {
        await notifications.updatePreferences({ customerId, preferences });
        return customerId;
      };
      return { ...world, change };
    },
  },
  ofEndpoint(
    "CreateWebhookEndpoint",
    async (webhooks) => (await webhooks.createWebhookEndpoint({ endpoint: { url } })).endpoint?.endpointId,
    { changesAgain: true },
  ),
  ofEndpoint("UpdateWebhookEndpoint", async (webhooks, { endpointId }) => {
    return (await webhooks.updateWebhookEndpoint({ endpointId, endpoint: { description: "ERP" } })).endpoint?.endpointId;
  }),
  ofEndpoint("DeleteWebhookEndpoint", async (webhooks, { endpointId }) => {
    await webhooks.deleteWebhookEndpoint({ endpointId });
    return endpointId;
  }),
  ofEndpoint(
    "EnableWebhookEndpoint",
    async (webhooks, { endpointId }) => (await webhooks.enableWebhookEndpoint({ endpointId })).endpoint?.endpointId,
    { isDisabled: true },
  ),
  ofEndpoint("DisableWebhookEndpoint", async (webhooks, { endpointId }) => {
    return (await webhooks.disableWebhookEndpoint({ endpointId })).endpoint?.endpointId;
  }),
  ofEndpoint(
    "RotateWebhookSecret",
    async (webhooks, { endpointId }) => (await webhooks.rotateWebhookSecret({ endpointId })).endpoint?.endpointId,
    { changesAgain: true },
  ),
  ofEndpoint(
    "PingWebhookEndpoint",
    async (webhooks, { endpointId }) => (await webhooks.pingWebhookEndpoint({ endpointId })).delivery?.deliveryId,
    { resourceKind: "webhook_delivery", changesAgain: true },
  ),
  ofEndpoint("ReplayWebhookDelivery", async (webhooks, ids) => (await webhooks.replayWebhookDelivery(ids)).delivery?.deliveryId, {
    resourceKind: "webhook_delivery",
    changesAgain: true,
  }),
  ofEndpoint(
    "ReplayWebhookDeliveries",
    async (webhooks, { endpointId }) => {
      await webhooks.replayWebhookDeliveries({ endpointId, sinceTime: timestampFromDate(new Date(0)) });
      return endpointId;
    },
    { changesAgain: true },
  ),
];
