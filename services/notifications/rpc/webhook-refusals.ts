// What callers of webhooks are refused with, and what is looked at before an endpoint is saved.
import { Code, type ConnectError } from "@connectrpc/connect";
import { refuse } from "#runtime/errors.ts";
import { publicEventTypes } from "../events/webhook-events.ts";
import { urlProblem } from "../provider/webhook-address.ts";
import type { Endpoint, EndpointWords } from "../store/endpoints.ts";

export const endpointNotFound = (endpointId: string): ConnectError =>
  refuse(Code.NotFound, "ENDPOINT_NOT_FOUND", `there is no endpoint ${endpointId}`, { endpointId });

export const deliveryNotFound = (deliveryId: string): ConnectError =>
  refuse(Code.NotFound, "DELIVERY_NOT_FOUND", `the endpoint has no delivery ${deliveryId}`, { deliveryId });

export function assertEnabled({ endpointId, state, disableReason }: Endpoint): void {
  if (state === "ENABLED") return;
  const message = `endpoint ${endpointId} is disabled: enable it first`;
  throw refuse(Code.FailedPrecondition, "ENDPOINT_DISABLED", message, { endpointId, disableReason });
}

export function assertWords({ url, eventTypes }: EndpointWords, { allowsPrivate }: { allowsPrivate: boolean }): void {
  const problem = urlProblem(url, { allowsPrivate });
  if (problem?.reason === "URL_INVALID") throw refuse(Code.InvalidArgument, "URL_INVALID", problem.message);
  if (problem) throw refuse(Code.InvalidArgument, "ADDRESS_NOT_ALLOWED", problem.message);
  const unknown = eventTypes.filter((type) => !publicEventTypes.includes(type));
  if (unknown.length === 0) return;
  const eventType = unknown.join(", ");
  const message = `nobody is told of ${eventType}: GET /v1/webhook-event-types lists what there is`;
  throw refuse(Code.InvalidArgument, "EVENT_TYPE_UNKNOWN", message, { eventType });
}
