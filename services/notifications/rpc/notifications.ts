// What was told, or was to be told.
import type { ServiceImpl } from "@connectrpc/connect";
import type { NotificationsService } from "#gen/ordermesh/notifications/v1/notifications_service_pb.ts";
import { cutPage, pageSizeOf, readPageToken } from "#runtime/page-token.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { listNotifications } from "../store/notifications.ts";
import type { NotificationsTables } from "../store/tables.ts";
import { notificationMessage, stateOf } from "./messages.ts";

type Methods = Pick<ServiceImpl<typeof NotificationsService>, "listOrderNotifications" | "listNotifications">;
interface Asked {
  orderId?: string;
  state?: ReturnType<typeof stateOf>;
  pageSize: number;
  pageToken: string;
}

export function notificationMethods({ db }: ServiceRuntime<NotificationsTables>): Methods {
  const page = async ({ pageSize, pageToken, ...wanted }: Asked) => {
    const rowsWanted = pageSizeOf(pageSize);
    const { tenant } = currentRequest();
    const rows = await listNotifications(db, { tenant, ...wanted, beyond: readPageToken(pageToken), rowsMax: rowsWanted + 1 });
    const cut = cutPage(rows, rowsWanted, ({ notificationId }) => notificationId);
    return { notifications: cut.rows.map(notificationMessage), nextPageToken: cut.nextPageToken };
  };
  return {
    listOrderNotifications: ({ orderId, pageSize, pageToken }) => page({ orderId, pageSize, pageToken }),
    listNotifications: ({ state, pageSize, pageToken }) => page({ state: stateOf(state), pageSize, pageToken }),
  };
}
