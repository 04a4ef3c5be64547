// Tickets for streams: a page's EventSource cannot send a header, and an address is written down in too many places for a token.
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { decodeJwt } from "jose";
import {
  CreateStreamTicketRequestSchema,
  type CreateStreamTicketRequest,
  type CreateStreamTicketResponseSchema,
  type RedeemStreamTicketRequest,
} from "#gen/ordermesh/identity/v1/identity_service_pb.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { refuse } from "#runtime/errors.ts";
import { currentRequest } from "#runtime/request-context.ts";
import { hashSecret, newStreamTicket } from "../store/secret-hash.ts";
import { insertTicket, takeTicket } from "../store/stream-tickets.ts";
import { readNow } from "../store/time.ts";
import type { IdentityDeps } from "./deps.ts";

/** Enough for a page that opens its stream at once, over a slow line. Milliseconds. */
const ticketMs = 30_000;

const ticketUnknown = () =>
  refuse(
    Code.Unauthenticated,
    "TICKET_UNKNOWN",
    "the ticket is unknown, was used, is over, or is for another path: get a new one",
  );

type Created = MessageInitShape<typeof CreateStreamTicketResponseSchema>;

export function createTicketMethod({ transaction }: IdentityDeps): (request: CreateStreamTicketRequest) => Promise<Created> {
  return ({ path }) => {
    const { token, tenant = "" } = currentRequest().caller ?? {};
    if (token === undefined) {
      throw refuse(Code.FailedPrecondition, "TOKEN_NEEDED", "a ticket stands for the access token of its call, which has none");
    }
    return transaction(async (tx) => {
      const now = await readNow(tx);
      const expireTime = new Date(now.getTime() + ticketMs);
      const ticket = newStreamTicket();
      await insertTicket(tx, hashSecret(ticket), { tenant, path, claims: decodeJwt(token), expireTime });
      await recordChange(tx, { resource: { kind: "stream", id: path }, after: shown(CreateStreamTicketRequestSchema, { path }) });
      return { ticket, expireTime: timestampFromDate(expireTime) };
    });
  };
}

/** The same claims once more, so that whatever ends the first token ends this one: its time, and being revoked. */
export function redeemTicketMethod(deps: IdentityDeps): (request: RedeemStreamTicketRequest) => Promise<{ accessToken: string }> {
  return async ({ ticket, path }) => {
    const accessToken = await deps.transaction(async (tx) => {
      const now = await readNow(tx);
      const taken = await takeTicket(tx, hashSecret(ticket));
      const isGood = taken && taken.path === path && taken.expireTime > now;
      return isGood ? deps.tokens.sign(tx, taken.claims, now) : undefined;
    });
    // Thrown outside: the ticket stays taken.
    if (accessToken === undefined) throw ticketUnknown();
    return { accessToken };
  };
}
