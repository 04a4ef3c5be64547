// Who gives tickets of streams takes them, too: identity.
import { create } from "@bufbuild/protobuf";
import {
  IdentityService,
  RedeemStreamTicketRequestSchema,
  type RedeemStreamTicketResponse,
} from "#gen/ordermesh/identity/v1/identity_service_pb.ts";
import type { Caller } from "./transcode/caller.ts";
import type { Tickets } from "./transcode/ticket.ts";

const timeoutMs = 10_000;

export function identityTickets(caller: Caller): Tickets {
  return {
    parameter: "stream_ticket",
    redeem: async (ticket, { path, requestId }) => {
      const headers = new Headers({ "x-request-id": requestId });
      const message = create(RedeemStreamTicketRequestSchema, { ticket, path });
      const { method } = IdentityService;
      const options = { headers, timeoutMs, signal: AbortSignal.timeout(timeoutMs), onHeaders: () => {} };
      const answer = await caller.unary(method.redeemStreamTicket, message, options);
      const { accessToken } = answer as RedeemStreamTicketResponse;
      return `Bearer ${accessToken}`;
    },
  };
}
