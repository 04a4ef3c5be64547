// Templates, preferences and notifications as the contract's messages.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  NotificationState,
  type NotificationSchema,
  type NotificationTemplateSchema,
} from "#gen/ordermesh/notifications/v1/notification_pb.ts";
import type { Template } from "../domain/default-templates.ts";
import { states, type Notification, type State } from "../domain/notification.ts";

export function templateMessage({ replaceTime, ...template }: Template): MessageInitShape<typeof NotificationTemplateSchema> {
  return {
    ...template,
    isReplaced: replaceTime !== null,
    ...(replaceTime && { updateTime: timestampFromDate(replaceTime) }),
  };
}

export function notificationMessage(notification: Notification): MessageInitShape<typeof NotificationSchema> {
  const { notificationId, orderId, customerId, fact, channel, state, reason, provider, language, attempts } = notification;
  const { factTime, updateTime } = notification;
  return {
    notificationId,
    orderId,
    customerId,
    fact,
    channel,
    state: NotificationState[state],
    reason,
    provider,
    language,
    attempts,
    factTime: timestampFromDate(factTime),
    updateTime: timestampFromDate(updateTime),
  };
}

/** Undefined for UNSPECIFIED, which asks for all. */
export const stateOf = (state: NotificationState): State | undefined => states.find((each) => NotificationState[each] === state);
