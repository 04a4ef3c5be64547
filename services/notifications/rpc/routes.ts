// What the service offers to callers.
import type { ConnectRouter } from "@connectrpc/connect";
import { NotificationsService } from "#gen/ordermesh/notifications/v1/notifications_service_pb.ts";
import { WebhooksService } from "#gen/ordermesh/notifications/v1/webhooks_service_pb.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import type { NotificationsTables } from "../store/tables.ts";
import { notificationMethods } from "./notifications.ts";
import { preferenceMethods } from "./preferences.ts";
import { templateMethods } from "./templates.ts";
import { deliveryMethods } from "./webhook-deliveries.ts";
import { endpointMethods, type WebhookDeps } from "./webhook-endpoints.ts";

export function notificationsRoutes(
  runtime: ServiceRuntime<NotificationsTables>,
  webhooks: Pick<WebhookDeps, "settings" | "sealingKey">,
): (router: ConnectRouter) => void {
  const deps = { ...runtime, ...webhooks };
  return (router) => {
    router.service(NotificationsService, {
      ...templateMethods(runtime),
      ...preferenceMethods(runtime),
      ...notificationMethods(runtime),
    });
    router.service(WebhooksService, { ...endpointMethods(deps), ...deliveryMethods(deps) });
  };
}
