// The same for notifications.
import { NotificationsService } from "#gen/ordermesh/notifications/v1/notifications_service_pb.ts";
import { notificationsFixture } from "../../services/notifications/notifications.fixture.ts";
import { subjects } from "./callers.ts";
import { worldOf, type Scenario } from "./scenarios.ts";

const template = { fact: "ready", language: "en", channel: "email" };
const content = { subject: "Ready", text: "It is ready." };
const templateName = "ready/en/email";

async function notificationsWorld() {
  const world = worldOf(await notificationsFixture());
  return { ...world, notifications: world.client(NotificationsService) };
}

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
];
