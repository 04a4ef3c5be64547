// An account is as good as the customer that it is for: nobody gets one for a customer that the shop has but the shop.
import { afterAll, beforeAll, expect, test } from "vitest";
import { identityWorld, type IdentityWorld } from "./world.ts";

let world: IdentityWorld;
beforeAll(async () => {
  world = await identityWorld();
});
afterAll(() => world?.close());

const eve = { client_id: "shop", login: "eve@example.test", password: "correct horse battery", customer_id: "grace" };

async function register(account: object, headers: Record<string, string> = {}): Promise<{ status: number; text: string }> {
  const answer = await fetch(`${world.issuer}/v1/accounts`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(account),
  });
  return { status: answer.status, text: await answer.text() };
}

test("whoever names a customer is refused, without a token and with a customer's; without an id the account is somebody new's", async () => {
  const { access_token: token } = await world.signIn();
  for (const headers of [{}, { authorization: `Bearer ${token}` }]) {
    const { status, text } = await register(eve, headers);
    expect(status, text).toBe(403);
    expect(text).toContain("CUSTOMER_ID_RESERVED");
  }
  const { customer_id: _grace, ...withoutId } = eve;
  const { status, text } = await register(withoutId);
  expect(status, text).toBe(201);
  expect(JSON.parse(text)).toEqual({ customerId: expect.stringMatching(/^cus_/) });
});

test("an operator makes an account for a customer that the shop has", async () => {
  const { headers } = await world.asOperator();
  const { status, text } = await register({ ...eve, login: "grace@example.test" }, headers);
  expect(status, text).toBe(201);
  expect(JSON.parse(text)).toEqual({ customerId: "grace" });
});
