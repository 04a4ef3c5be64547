// Who is erased has no account, no session, and no way back under its id.
import { setTimeout } from "node:timers/promises";
import { Code } from "@connectrpc/connect";
import { sql, type Transaction } from "kysely";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CustomerErasedSchema } from "#gen/ordermesh/customers/events/v1/customers_events_pb.ts";
import { refusal } from "../../test/support/refusal.ts";
import { ada, identityFixture, type IdentityFixture } from "./identity.fixture.ts";
import { insertAccount, keepAccount } from "./store/accounts.ts";
import { isErased, lockCustomer } from "./store/personal-data.ts";
import type { IdentityTables } from "./store/tables.ts";

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

const outcomeOf = (work: Promise<unknown>): Promise<string> =>
  Promise.race([work.then(() => "done"), setTimeout(300).then(() => "waits")]);

const isSignedIn = async (): Promise<boolean> =>
  (await sql`select from session where end_time is null`.execute(fixture.runtime.db)).rows.length > 0;

/** Does the work in a transaction, and lets the erasure come before it ends. */
async function eraseDuring(work: (tx: Transaction<IdentityTables>) => Promise<unknown>): Promise<string> {
  const [begun, end] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const working = fixture.runtime.system.transaction(async (tx) => {
    await work(tx);
    begun.resolve();
    await end.promise;
  });
  await begun.promise;
  const erasing = erase();
  const outcome = await outcomeOf(erasing);
  end.resolve();
  await Promise.all([working, erasing]);
  return outcome;
}

test("an erasure waits for a sign-in that has seen the account, and ends its session", async () => {
  const outcome = await eraseDuring(async (tx) => {
    await keepAccount(tx, { tenant: "demo", login: ada.login });
    await sql`
      insert into session (session_id, tenant_id, client_id, customer_id, roles, scopes, create_time, expire_time, access_until)
      values ('ses_1', 'demo', 'shop', ${ada.customerId}, '{customer}', '{}', now(), now() + interval '1 day', now())`.execute(
      tx,
    );
  });
  expect(outcome).toBe("waits");
  expect(await isSignedIn()).toBe(false);
});

test("an erasure waits for a registration that has not seen it, and removes the account", async () => {
  const other = { tenant: "demo", customerId: "bob" };
  const erased = () => fixture.deliver(CustomerErasedSchema, { customerId: other.customerId });
  const [begun, end] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const registering = fixture.runtime.system.transaction(async (tx) => {
    await lockCustomer(tx, other);
    expect(await isErased(tx, other)).toBe(false);
    begun.resolve();
    await end.promise;
    await insertAccount(tx, { ...other, login: "bob@example.test", passwordHash: "$scrypt$", now: new Date() });
  });
  await begun.promise;
  const erasing = erased();
  expect(await outcomeOf(erasing)).toBe("waits");
  end.resolve();
  await Promise.all([registering, erasing]);
  const accounts = await sql`select from account where customer_id = ${other.customerId}`.execute(fixture.runtime.db);
  expect(accounts.rows).toEqual([]);
});
