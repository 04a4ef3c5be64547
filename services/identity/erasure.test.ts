// Who is erased has no account, no session, and no way back under its id.
import { Code } from "@connectrpc/connect";
import { sql } from "kysely";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CustomerErasedSchema } from "#gen/ordermesh/customers/events/v1/customers_events_pb.ts";
import { refusal } from "../../test/support/refusal.ts";
import { ada, identityFixture, type IdentityFixture } from "./identity.fixture.ts";

let fixture: IdentityFixture;
beforeEach(async () => {
  fixture = await identityFixture();
  await fixture.identity.registerAccount({ clientId: "shop", ...ada });
});
afterEach(() => fixture.close());

const signIn = () => fixture.identity.signIn({ clientId: "shop", login: ada.login, password: ada.password });
const erase = () => fixture.deliver(CustomerErasedSchema, { customerId: ada.customerId });

test("the account goes, sessions end and are told of, wrong passwords are forgotten, and the login is free", async () => {
  const { refreshToken } = await signIn();
  await refusal(fixture.identity.signIn({ clientId: "shop", login: ada.login, password: "wrong password" }));
  await erase();
  await erase();
  const refreshing = fixture.identity.issueToken({ clientId: "shop", grantType: "refresh_token", refreshToken });
  expect(await refusal(refreshing)).toMatchObject({ reason: "INVALID_GRANT" });
  expect(await refusal(signIn())).toMatchObject({ reason: "INVALID_GRANT" });
  const told = (await fixture.sent()).filter(({ typeName }) => typeName.endsWith("TokenRevoked"));
  expect(told).toHaveLength(1);
  const again = { clientId: "shop", ...ada };
  expect(await refusal(fixture.identity.registerAccount(again))).toEqual({
    code: Code.FailedPrecondition,
    reason: "CUSTOMER_ERASED",
  });
  const fresh = await fixture.identity.registerAccount({ clientId: "shop", login: ada.login, password: ada.password });
  expect(fresh.customerId).not.toBe(ada.customerId);
});

test("a sign-in or a registration at the same moment leaves no session and no account", async () => {
  await Promise.allSettled([signIn(), erase(), signIn()]);
  await Promise.allSettled([fixture.identity.registerAccount({ clientId: "shop", ...ada, login: "other@example.test" }), erase()]);
  const live = await sql`select from session where end_time is null`.execute(fixture.runtime.db);
  const accounts = await sql`select from account where customer_id = ${ada.customerId}`.execute(fixture.runtime.db);
  expect([live.rows.length, accounts.rows.length]).toEqual([0, 0]);
});
