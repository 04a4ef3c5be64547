// Endpoints and deliveries as the contract's messages.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  WebhookDeliveryState,
  WebhookEndpointState,
  type WebhookDeliverySchema,
  type WebhookEndpointSchema,
} from "#gen/ordermesh/notifications/v1/webhook_pb.ts";
import type { DeliveryState } from "../domain/webhook.ts";
import type { Delivery } from "../store/deliveries.ts";
import type { Endpoint } from "../store/endpoints.ts";

export function endpointMessage(endpoint: Endpoint): MessageInitShape<typeof WebhookEndpointSchema> {
  const { endpointId, url, description, eventTypes, state, disableReason, failures, failingSince, oldSecretExpireTime } =
    endpoint;
  return {
    endpointId,
    url,
    description,
    eventTypes,
    state: WebhookEndpointState[state],
    disableReason,
    failures,
    ...(failingSince && { failingSince: timestampFromDate(failingSince) }),
    ...(oldSecretExpireTime && { oldSecretExpireTime: timestampFromDate(oldSecretExpireTime) }),
    createTime: timestampFromDate(endpoint.createTime),
    updateTime: timestampFromDate(endpoint.updateTime),
  };
}

export function deliveryMessage(delivery: Delivery): MessageInitShape<typeof WebhookDeliverySchema> {
  const { deliveryId, endpointId, eventId, eventType, state, nextAttemptTime, createTime, isErased, calls } = delivery;
  return {
    deliveryId,
    endpointId,
    eventId,
    eventType,
    state: WebhookDeliveryState[state],
    isErased,
    attempts: calls.map(({ attemptTime, ...call }) => ({ ...call, attemptTime: timestampFromDate(attemptTime) })),
    ...(nextAttemptTime && { nextAttemptTime: timestampFromDate(nextAttemptTime) }),
    createTime: timestampFromDate(createTime),
  };
}

const deliveryStates: readonly DeliveryState[] = ["PENDING", "DELIVERED", "FAILED", "WITHHELD"];

/** Undefined for UNSPECIFIED, which asks for all. */
export const deliveryStateOf = (state: WebhookDeliveryState): DeliveryState | undefined =>
  deliveryStates.find((each) => WebhookDeliveryState[each] === state);
