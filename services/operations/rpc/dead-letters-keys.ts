// Keys of the events that the stream holds.
import { Code, type ServiceImpl } from "@connectrpc/connect";
import type { OperationsService } from "#gen/ordermesh/operations/v1/operations_service_pb.ts";
import { refuse } from "#runtime/errors.ts";
import { cutPage, pageSizeOf, readPageToken } from "#runtime/page-token.ts";
import { currentRequest } from "#runtime/request-context.ts";
import { eventTypeNames } from "../events/event-types.ts";
import type { OperationsRoutesOptions } from "./routes-options.ts";

export function streamKeyRoutes({
  runtime,
}: OperationsRoutesOptions): Pick<ServiceImpl<typeof OperationsService>, "listStreamKeys"> {
  return {
    listStreamKeys: async ({ topic, pageSize, pageToken }) => {
      const after = readPageToken(pageToken) ?? "";
      const subjects = await runtime.storedSubjects(`p.*.${typeFilter(topic)}.${currentRequest().tenant}.*`);
      const keys = new Set(subjects.map((subject) => subject.slice(subject.lastIndexOf(".") + 1)).filter((key) => key > after));
      const page = cutPage([...keys].toSorted(), pageSizeOf(pageSize), (key) => key);
      return { keys: page.rows, nextPageToken: page.nextPageToken };
    },
  };
}

/** The type by its full name, or every version of what has that name in a package. */
function typeFilter(topic: string): string {
  const names = eventTypeNames();
  if (names.includes(topic)) return topic;
  const [first] = names.filter((name) => name.endsWith(`.${topic}`) && !topic.includes("."));
  const service = first?.split(".")[1];
  if (!service) throw refuse(Code.InvalidArgument, "TOPIC_UNKNOWN", `no event is named ${topic}`, { topic });
  return `ordermesh.${service}.events.*.${topic}`;
}
