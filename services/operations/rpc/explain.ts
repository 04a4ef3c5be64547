// ExplainOrder: asks everybody who may know something of an order, and tells it as one history.
import { fromBinary } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, type ServiceImpl } from "@connectrpc/connect";
import { HistoryService } from "#gen/ordermesh/history/v1/history_service_pb.ts";
import type { OperationsService } from "#gen/ordermesh/operations/v1/operations_service_pb.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { refuse } from "#runtime/errors.ts";
import type { StoredEvent, StoredEvents } from "#runtime/events/stored-events.ts";
import { currentRequest } from "#runtime/request-context.ts";
import { conclude, waitsOf } from "../domain/explain-conclusion.ts";
import { stepsOf } from "../domain/explain.ts";
import type { SeenEvent, SeenLetter, SeenOrder } from "../domain/explain-parts.ts";
import type { EventPayload } from "../domain/explain-events.ts";
import { findEventType, sendingServices } from "../events/event-types.ts";
import { readLettersOfKey, type LetterOfKey } from "../store/letters/of-key.ts";
import {
  conclusionMessage,
  historyOf,
  stepMessage,
  unpublishedOf,
  waitMessage,
  type AnsweredHistory,
} from "./explain-messages.ts";
import type { OperationsRoutesOptions } from "./routes-options.ts";

type Methods = Pick<ServiceImpl<typeof OperationsService>, "explainOrder">;
type Runtime = OperationsRoutesOptions["runtime"];

/** Of an order in the stream; one has some twenty. */
const eventsMax = 500;
const lettersMax = 100;
const stepsMax = 1_000;
/** A service that does not answer in time is told as missing, so that one that hangs does not keep the rest back. */
const answerTimeoutMs = 3_000;

export function explainRoutes({ runtime }: OperationsRoutesOptions): Methods {
  return { explainOrder: async ({ orderId }) => ({ explanation: await explain(runtime, orderId) }) };
}

async function explain(runtime: Runtime, orderId: string) {
  const { tenant } = currentRequest();
  const [stream, letters] = await Promise.all([
    readStream(runtime, { tenant, orderId }),
    readLettersOfKey(runtime.db, { tenant, key: orderId, rowsMax: lettersMax + 1 }),
  ]);
  const answers = await Promise.all(sendingServices.map((service) => ask(runtime, { service, orderId, stream })));
  const answered = answers.flatMap(({ answer }) => answer ?? []);
  const missing = answers.flatMap(({ service, answer }) => (answer ? [] : [service]));
  const order: SeenOrder = {
    events: [...(stream?.events ?? []).map(seenEvent), ...answered.flatMap(({ history }) => unpublishedOf(history))],
    letters: letters.slice(0, lettersMax).map(seenLetter),
    services: answered.map(historyOf),
  };
  const steps = stepsOf(order);
  if (steps.length === 0 && !missing.includes("orders")) throw orderNotFound(orderId);
  return {
    orderId,
    state: order.services.find(({ state }) => state !== "")?.state ?? "",
    conclusion: conclusionMessage(conclude(order)),
    steps: steps.slice(0, stepsMax).map(stepMessage),
    waits: waitsOf(order, steps).map(waitMessage),
    missing: [...(stream ? [] : ["stream"]), ...missing],
    cut: [
      ...(stream?.isCut ? ["stream"] : []),
      ...(letters.length > lettersMax ? ["dead_letters"] : []),
      ...(steps.length > stepsMax ? ["steps"] : []),
      ...answered.flatMap(({ service, history }) => history.cut.map((list) => `${service}.${list}`)),
    ],
    ...(stream?.sinceTime && { eventsSinceTime: timestampFromDate(stream.sinceTime) }),
  };
}

/** Undefined where the stream cannot be asked: what the services know is told all the same. */
async function readStream(
  { storedEvents, log }: Runtime,
  { tenant, orderId }: { tenant: string; orderId: string },
): Promise<StoredEvents | undefined> {
  try {
    return await storedEvents(`p.*.ordermesh.*.events.*.*.${tenant}.${orderId}`, eventsMax);
  } catch (error) {
    log.warn({ error: (error as Error).message }, "history_without_stream");
    return undefined;
  }
}

async function ask(
  { clientOf, log }: Runtime,
  { service, orderId, stream }: { service: string; orderId: string; stream: StoredEvents | undefined },
): Promise<{ service: string; answer: AnsweredHistory | undefined }> {
  const events = (stream?.events ?? []).map(({ id, time }) => ({ eventId: id, eventTime: timestampFromDate(time) }));
  try {
    const history = await clientOf(HistoryService, service).getOrderHistory(
      { service, orderId, events },
      { timeoutMs: answerTimeoutMs },
    );
    return { service, answer: { service, history } };
  } catch (error) {
    log.warn({ asked: service, error: (error as Error).message }, "history_without_service");
    return { service, answer: undefined };
  }
}

const seenEvent = ({ traceparent, payload, ...event }: StoredEvent): SeenEvent => ({
  ...event,
  traceId: traceparent.split("-")[1] ?? "",
  payload: payloadOf(event.typeName, payload),
});

/** Without what a contract marks; nothing where the bytes are not what their type says. */
function payloadOf(typeName: string, payload: Uint8Array): EventPayload {
  const desc = findEventType(typeName);
  if (!desc) return {};
  try {
    return shown(desc, fromBinary(desc, payload));
  } catch {
    return {};
  }
}

const seenLetter = ({ actions, ...letter }: LetterOfKey): SeenLetter => ({
  ...letter,
  actions: actions.map(({ time, ...action }) => ({ ...action, time: new Date(time) })),
});

function orderNotFound(orderId: string): Error {
  return refuse(Code.NotFound, "ORDER_NOT_FOUND", `no service and no event tells of an order ${orderId}`, { orderId });
}
