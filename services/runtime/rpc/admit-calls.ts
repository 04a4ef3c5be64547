// Lets calls in or refuses them on the bare request: by its path, before its body is read and before Connect knows of it.
import type { DescMethod } from "@bufbuild/protobuf";
import type { Admission, AdmittedCall } from "#runtime/admission/admission.ts";
import type { RouterOptions } from "./interceptors.ts";
import { refuseOverloaded } from "./refuse-call.ts";
import type { HttpHandler } from "./http-handler.ts";

interface Routed {
  requestPath: string;
  method: DescMethod;
}

/** Health and reflection answer also when nothing else does: a process that is busy is not one that is gone. */
const exemptPackage = "/grpc.";

/** The handler, for as many calls as the admission lets in. What is no call of ours it answers always. */
export function admitByPath(options: {
  admission: Admission;
  answer: HttpHandler;
  handlers: readonly Routed[];
  options: RouterOptions;
}): HttpHandler {
  const { admission, answer } = options;
  const refuse = refuseOverloaded(options.options.jsonOptions);
  const streaming = new Map(
    options.handlers
      .filter(({ requestPath }) => !requestPath.startsWith(exemptPackage))
      .map(({ requestPath, method }) => [requestPath, method.methodKind !== "unary"]),
  );
  return (request, response) => {
    const isStream = streaming.get(pathOf(request.url));
    if (isStream === undefined) return answer(request, response);
    const call: AdmittedCall | undefined = isStream ? admission.enterStream() : admission.enter(request);
    if (!call) return refuse(request, response);
    response.once("close", () => call.leave());
    answer(request, response);
  };
}

/** Without the query. */
export function pathOf(url = ""): string {
  const mark = url.indexOf("?");
  return mark < 0 ? url : url.slice(0, mark);
}
