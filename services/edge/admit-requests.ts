// Lets requests in or refuses them, before their body is read and before anything is made of them.
import type { IncomingMessage, ServerResponse } from "node:http";
import { createRegistry } from "@bufbuild/protobuf";
import { file_google_rpc_error_details } from "#gen/google/rpc/error_details_pb.ts";
import type { Admission } from "#runtime/admission/admission.ts";
import { prepareOverloaded } from "#runtime/admission/overloaded.ts";
import { errorDomain } from "#runtime/errors.ts";
import { newId } from "#runtime/ids.ts";
import { sendJson } from "./transcode/answer.ts";
import { toErrorAnswer } from "./transcode/errors.ts";
import { requestIdOf } from "./transcode/request-headers.ts";
import type { Transcoder } from "./transcode/transcoder.ts";

type Handle = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

export function admitRequests(options: { admission: Admission | undefined; handle: Transcoder["handle"] }): Handle {
  const { admission, handle } = options;
  if (!admission) return (request, response) => handle(request, response);
  const refuse = refuseOverloaded();
  return async (request, response) => {
    const call = admission.enter(request);
    if (!call) return refuse(request, response);
    response.once("close", () => call.leave());
    await handle(request, response, () => call.becomeStream());
  };
}

function refuseOverloaded(): (request: IncomingMessage, response: ServerResponse) => void {
  const registry = createRegistry(file_google_rpc_error_details);
  const anyAnswer = prepareOverloaded(({ error }) => {
    const { httpStatus, headers, status } = toErrorAnswer(error, { registry, domain: errorDomain });
    return { httpStatus, headers: { ...headers, "cache-control": "no-store" }, json: JSON.stringify(status) };
  });
  return (request, response) => {
    const { httpStatus, headers, json } = anyAnswer();
    const requestId = requestIdOf(request.headers, () => newId("req"));
    sendJson(request, response, httpStatus, { ...headers, "x-request-id": requestId }, json);
  };
}
