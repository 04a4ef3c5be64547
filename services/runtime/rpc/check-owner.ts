// A customer has only what is its own. Before the validation, so that an id which is left out may mean the caller's.
import type { Interceptor } from "@connectrpc/connect";
import { keepToOwner } from "#runtime/access/authorize.ts";
import { currentRequest } from "#runtime/request-context.ts";
import { accessTo } from "./identify.ts";

/** Refuses a customer's request that names another customer in the method's owner_field. */
export const checkOwner: Interceptor = (next) => async (request) => {
  const access = accessTo(request.method);
  const { caller } = currentRequest();
  if (access.ownerField === undefined || !caller) return next(request);
  const keep = <Message extends object>(message: Message): Message => {
    keepToOwner(access, caller, message);
    return message;
  };
  return request.stream
    ? next({ ...request, message: each(request.message, keep) })
    : next({ ...request, message: keep(request.message) });
};

async function* each<Message>(messages: AsyncIterable<Message>, change: (message: Message) => Message): AsyncGenerator<Message> {
  for await (const message of messages) yield change(message);
}
