// Everything that can be called, from the descriptors: what is added to a contract is in the suites by being there.
import {
  create,
  getOption,
  hasOption,
  type DescMethod,
  type DescMethodServerStreaming,
  type DescMethodUnary,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { http } from "#gen/google/api/annotations_pb.ts";
import type { HttpRule } from "#gen/google/api/http_pb.ts";
import { accessOf, type MethodAccess } from "#runtime/access/method-access.ts";
import { reasonOf } from "#runtime/errors.ts";
import { loadContracts } from "../../tools/contracts.ts";

export interface Rpc {
  name: string;
  method: DescMethod;
  access: MethodAccess;
}

export interface RestRoute extends Rpc {
  httpMethod: string;
  /** As the contract has it. */
  template: string;
  /** With some text for each variable. */
  path: string;
}

const services = (await loadContracts()).flatMap((file) => file.services);

export const rpcs: readonly Rpc[] = services.flatMap((service) =>
  service.methods.map((method) => ({ name: `${service.name}/${method.name}`, method, access: accessOf(method) })),
);

export const restRoutes: readonly RestRoute[] = rpcs.flatMap((rpc) =>
  hasOption(rpc.method, http)
    ? [getOption(rpc.method, http), ...getOption(rpc.method, http).additionalBindings].map((rule) => ({
        ...rpc,
        ...targetOf(rule),
      }))
    : [],
);

function targetOf({ pattern }: HttpRule): Pick<RestRoute, "httpMethod" | "template" | "path"> {
  if (typeof pattern.value !== "string") throw new Error("a rule with a custom pattern is not known here");
  return {
    httpMethod: pattern.case.toUpperCase(),
    template: pattern.value,
    path: pattern.value.replaceAll(/\{[^}]+\}/g, "some"),
  };
}

export interface Answer {
  /** "ok" or the name of a code, such as "Unauthenticated". */
  code: string;
  reason: string;
  /** Header WWW-Authenticate. */
  challenge: string;
}

const withToken = (token: string | undefined): Record<string, string> =>
  token === undefined ? {} : { authorization: `Bearer ${token}` };

/** Calls with an empty request; of a stream, asks for its first message. */
export async function callRpc(
  transport: Transport,
  { method }: Pick<Rpc, "method">,
  token: string | undefined,
  request: Record<string, unknown> = {},
): Promise<Answer> {
  const input = create(method.input, request);
  try {
    if (method.methodKind === "unary") {
      await transport.unary(method as DescMethodUnary, undefined, undefined, withToken(token), input);
    } else {
      const ending = new AbortController();
      const stream = method as DescMethodServerStreaming;
      const { message } = await transport.stream(stream, ending.signal, undefined, withToken(token), each([input]));
      await message[Symbol.asyncIterator]().next();
      ending.abort();
    }
    return { code: "ok", reason: "", challenge: "" };
  } catch (error) {
    const refusal = ConnectError.from(error);
    const challenge = refusal.metadata.get("www-authenticate") ?? "";
    return { code: Code[refusal.code] ?? "", reason: reasonOf(refusal) ?? "", challenge };
  }
}

// oxlint-disable-next-line typescript/require-await -- an AsyncIterable is what Connect takes
async function* each<Item>(items: readonly Item[]): AsyncGenerator<Item> {
  yield* items;
}

/** Asks by REST with an empty request; the code is the HTTP status. */
export async function askRest(edgeUrl: string, { httpMethod, path }: RestRoute, token: string | undefined): Promise<Answer> {
  const hasBody = !["GET", "DELETE"].includes(httpMethod);
  const headers = { ...withToken(token), ...(hasBody ? { "content-type": "application/json" } : {}) };
  const signal = AbortSignal.timeout(20_000);
  const answer = await fetch(`${edgeUrl}${path}`, { method: httpMethod, headers, signal, ...(hasBody ? { body: "{}" } : {}) });
  const body = (await answer.json().catch(() => ({}))) as { details?: { reason?: string }[] };
  const reason = body.details?.find((detail) => detail.reason !== undefined)?.reason ?? "";
  return { code: String(answer.status), reason, challenge: answer.headers.get("www-authenticate") ?? "" };
}
