// Notifications: what customers are told of their orders, and other programs of all that happens.
import { file_ordermesh_notifications_events_v1_notifications_events } from "#gen/ordermesh/notifications/events/v1/notifications_events_pb.ts";
import { NotificationsService } from "#gen/ordermesh/notifications/v1/notifications_service_pb.ts";
import { WebhooksService } from "#gen/ordermesh/notifications/v1/webhooks_service_pb.ts";
import type { ServiceDefinition } from "#runtime/service.ts";
import { keyFor } from "#runtime/access/settings.ts";
import { notificationsHears } from "./consumers/hear.ts";
import { deliverWork } from "./due/deliver.ts";
import { sendWork } from "./due/send.ts";
import { carrierSettings } from "./provider/settings.ts";
import { webhookSettings } from "./provider/webhook-settings.ts";
import { notificationsRoutes } from "./rpc/routes.ts";
import { notificationHistory } from "./store/history.ts";
import { notificationData } from "./store/personal-data.ts";
import type { NotificationsTables } from "./store/tables.ts";
import { careTask } from "./tasks/care.ts";

export const notifications: ServiceDefinition<NotificationsTables> = {
  name: "notifications",
  services: [NotificationsService, WebhooksService],
  emits: [file_ordermesh_notifications_events_v1_notifications_events],
  migrations: new URL("./migrations/", import.meta.url),
  create: (runtime) => {
    const carriers = carrierSettings(runtime.env, runtime.log);
    const webhooks = webhookSettings(runtime.env);
    // A definition reads no secret before it works.
    let key: Buffer | undefined;
    const sealingKey = (): Buffer => (key ??= keyFor("webhook secrets", runtime.env));
    return {
      routes: notificationsRoutes(runtime, { settings: webhooks, sealingKey }),
      gatherEventsMs: 250,
      hears: notificationsHears({ clock: runtime.clock, hasMailer: carriers.mailer !== undefined }),
      dueWork: [sendWork(runtime, carriers), deliverWork(runtime, webhooks, sealingKey)],
      tasks: [careTask(runtime)],
      personalData: notificationData(runtime.db),
      history: notificationHistory(runtime.db),
    };
  },
};
