// Notifications: what customers are told of their orders.
import { NotificationsService } from "#gen/ordermesh/notifications/v1/notifications_service_pb.ts";
import type { ServiceDefinition } from "#runtime/service.ts";
import { erasureHearing } from "./consumers/erasure.ts";
import { factHearing } from "./consumers/facts.ts";
import { sendWork } from "./due/send.ts";
import { carrierSettings } from "./provider/settings.ts";
import { notificationsRoutes } from "./rpc/routes.ts";
import { notificationData } from "./store/personal-data.ts";
import type { NotificationsTables } from "./store/tables.ts";
import { careTask } from "./tasks/care.ts";

export const notifications: ServiceDefinition<NotificationsTables> = {
  name: "notifications",
  services: [NotificationsService],
  emits: [],
  migrations: new URL("./migrations/", import.meta.url),
  create: (runtime) => {
    const settings = carrierSettings(runtime.env, runtime.log);
    return {
      routes: notificationsRoutes(runtime),
      hears: [factHearing({ clock: runtime.clock, hasMailer: settings.mailer !== undefined }), erasureHearing(runtime)],
      dueWork: [sendWork(runtime, settings)],
      tasks: [careTask(runtime)],
      personalData: notificationData(runtime.db),
    };
  },
};
