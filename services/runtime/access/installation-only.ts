// What is of all shops is for operators of the installation's own: another shop's operator would see and change what is not its
// own.
import { Code, type HandlerContext } from "@connectrpc/connect";
import { refuse } from "../errors.ts";
import { currentRequest } from "../request-context.ts";

type Method = (request: never, context: HandlerContext) => unknown;

/** The methods, for calls that are for the tenant; others are refused with PERMISSION_DENIED and INSTALLATION_ONLY. */
export function installationOnly<Methods extends Record<string, Method>>(methods: Methods, home: string): Methods {
  const guarded = Object.entries(methods).map(([name, method]): [string, Method] => [
    name,
    (request, context) => {
      if (currentRequest().tenant !== home) throw notHome();
      return method(request, context);
    },
  ]);
  return Object.fromEntries(guarded) as Methods;
}

const notHome = () =>
  refuse(
    Code.PermissionDenied,
    "INSTALLATION_ONLY",
    "this is of all shops: only operators of the installation's own may ask for it",
  );
