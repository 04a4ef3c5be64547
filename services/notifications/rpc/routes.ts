// What the service offers to callers.
import type { ConnectRouter } from "@connectrpc/connect";
import { NotificationsService } from "#gen/ordermesh/notifications/v1/notifications_service_pb.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import type { NotificationsTables } from "../store/tables.ts";
import { notificationMethods } from "./notifications.ts";
import { preferenceMethods } from "./preferences.ts";
import { templateMethods } from "./templates.ts";

export function notificationsRoutes(runtime: ServiceRuntime<NotificationsTables>): (router: ConnectRouter) => void {
  return (router) => {
    router.service(NotificationsService, {
      ...templateMethods(runtime),
      ...preferenceMethods(runtime),
      ...notificationMethods(runtime),
    });
  };
}
