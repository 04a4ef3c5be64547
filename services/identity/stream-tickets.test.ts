// Tickets for streams: one path, one use, half a minute, and no more than the token that they were made with.
import { Code, type Client } from "@connectrpc/connect";
import { decodeJwt } from "jose";
import { sql } from "kysely";
import { afterEach, beforeEach, expect, test } from "vitest";
import { IdentityService } from "#gen/ordermesh/identity/v1/identity_service_pb.ts";
import { callerOf } from "../../test/audit-log/callers.ts";
import { refusal } from "../../test/support/refusal.ts";
import { identityFixture, type IdentityFixture } from "./identity.fixture.ts";

const path = "/v1/orders/ord_1:watch";

let fixture: IdentityFixture;
/** As a customer with a token. */
let customer: Client<typeof IdentityService>;

beforeEach(async () => {
  fixture = await identityFixture();
  customer = callerOf(IdentityService, { routes: fixture.parts.routes, role: "customer" });
});
afterEach(() => fixture.close());

const ticketFor = async (asked = path): Promise<string> => (await customer.createStreamTicket({ path: asked })).ticket;
const redeem = (ticket: string, asked = path) => fixture.identity.redeemStreamTicket({ ticket, path: asked });
const unknown = { code: Code.Unauthenticated, reason: "TICKET_UNKNOWN" };

test("a ticket gives the claims of its token, once", async () => {
  const ticket = await ticketFor();
  const { accessToken } = await redeem(ticket);
  expect(decodeJwt(accessToken)).toMatchObject({ sub: "ada", client_id: "shop", tenant: "demo", roles: ["customer"] });
  expect(await refusal(redeem(ticket))).toMatchObject(unknown);
});

test("of a hundred who show it at once one gets in", async () => {
  const ticket = await ticketFor();
  const shown = await Promise.allSettled(Array.from({ length: 100 }, () => redeem(ticket)));
  expect(shown.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
});

test("one for another path is refused, and is used up by the attempt", async () => {
  const ticket = await ticketFor();
  expect(await refusal(redeem(ticket, "/v1/orders:watch"))).toMatchObject(unknown);
  expect(await refusal(redeem(ticket))).toMatchObject(unknown);
});

test("it is over after half a minute, and then forgotten", async () => {
  const [late, kept] = [await ticketFor(), await ticketFor()];
  fixture.pass(30_001);
  expect(await refusal(redeem(late))).toMatchObject(unknown);
  await fixture.care();
  const left = await sql`select 1 from stream_ticket`.execute(fixture.runtime.db);
  expect(left.rows).toEqual([]);
  expect(await refusal(redeem(kept))).toMatchObject(unknown);
});

test("guessed ones and paths with a query are refused", async () => {
  expect(await refusal(redeem("omt_guessed"))).toMatchObject(unknown);
  expect(await refusal(customer.createStreamTicket({ path: "/v1/orders:watch?state=1" }))).toMatchObject({
    code: Code.InvalidArgument,
  });
  expect(await refusal(customer.createStreamTicket({ path: "https://elsewhere.example/" }))).toMatchObject({
    code: Code.InvalidArgument,
  });
});

test("who has shown no token gets none", async () => {
  expect(await refusal(fixture.identity.createStreamTicket({ path }))).toEqual({
    code: Code.FailedPrecondition,
    reason: "TOKEN_NEEDED",
  });
});
