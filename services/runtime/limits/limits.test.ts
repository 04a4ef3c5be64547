// How much a client gets: exactly what its plan says, whatever others ask.
import { describe, expect, test } from "vitest";
import { bucketsMax } from "./buckets.ts";
import { grantedOf, limited, outcomeOf, parseItems, testCaller, testLimits } from "./limits.fixture.ts";

const env = { ORDERMESH_RATE_CUSTOMER: "3", ORDERMESH_RATE_BURST_SECONDS: "2", ORDERMESH_RATE_ANONYMOUS: "2" };
/** Tokens of a bucket of a customer and of an address. */
const burst = 6;
const addressBurst = 4;

describe("a bucket", () => {
  test("gives its burst at once, then a token each third of a second, and no token earlier", () => {
    const { limits, clock } = testLimits({ env });
    const ada = testCaller();
    const take = () => outcomeOf((header) => limits.countCaller(ada, header));
    expect(Array.from({ length: burst }, () => take().outcome)).toEqual(Array.from({ length: burst }, () => "granted"));
    for (let token = 1; token <= 30; token += 1) {
      const refused = take();
      expect(refused.outcome).toBe(limited);
      // Told in whole milliseconds, and never too early.
      expect(refused.retryMs).toBe(334);
      clock.nowMs = 1_000 + (token * 1_000) / 3 - 0.01;
      expect(take().outcome).toBe(limited);
      clock.nowMs += 0.01;
      expect(take().outcome).toBe("granted");
    }
  });

  test("holds no more than its burst, however long it has rested", () => {
    const { limits, clock } = testLimits({ env });
    const ada = testCaller();
    const count = (header: Headers) => limits.countCaller(ada, header);
    expect(grantedOf(100, count)).toBe(burst);
    clock.nowMs += 1_000;
    expect(grantedOf(100, count)).toBe(3);
    clock.nowMs += 86_400_000;
    expect(grantedOf(100, count)).toBe(burst);
  });

  test("says when to come again, and there is a token then", () => {
    const { limits, clock } = testLimits({ env: { ORDERMESH_SIGN_INS_PER_MINUTE: "7" } });
    const count = (header: Headers) => limits.countAddressOf("sign_in", "192.0.2.1", header);
    expect(grantedOf(8, count)).toBe(7);
    const { retryMs = 0, header } = outcomeOf(count);
    expect(header.get("retry-after")).toBe(String(Math.ceil(retryMs / 1_000)));
    clock.nowMs += retryMs - 1;
    expect(outcomeOf(count).outcome).toBe(limited);
    clock.nowMs += 1;
    expect(outcomeOf(count).outcome).toBe("granted");
  });
});

describe("nobody asks at another's cost", () => {
  const others = {
    "another customer of the same client": testCaller({ subject: "bob" }),
    "the same name in another shop": testCaller({ tenant: "other" }),
    "the same customer by another client": testCaller({ clientId: "app" }),
    "an operator": testCaller({ roles: ["operator"] }),
    "a customer who is an operator too": testCaller({ roles: ["customer", "operator"] }),
  };
  test.each(Object.entries(others))("%s", (_who, other) => {
    const { limits } = testLimits({ env });
    const ada = testCaller();
    expect(grantedOf(100, (header) => limits.countCaller(ada, header))).toBe(burst);
    expect(grantedOf(burst, (header) => limits.countCaller(other, header))).toBe(burst);
  });

  test("another address, and a caller with a token behind the same", () => {
    const { limits } = testLimits({ env });
    expect(grantedOf(100, (header) => limits.countAddress("192.0.2.1", header))).toBe(addressBurst);
    expect(grantedOf(100, (header) => limits.countAddress("192.0.2.2", header))).toBe(addressBurst);
    expect(grantedOf(100, (header) => limits.countCaller(testCaller(), header))).toBe(burst);
  });

  test("but two tokens of one customer, and all subjects of a client that is no customer, are one caller", () => {
    const { limits } = testLimits({ env: { ...env, ORDERMESH_RATE_OPERATOR: "3" } });
    const count = (change: Parameters<typeof testCaller>[0]) => (header: Headers) =>
      limits.countCaller(testCaller(change), header);
    expect(grantedOf(4, count({ tokenId: "tok_1" })) + grantedOf(4, count({ tokenId: "tok_2" }))).toBe(burst);
    expect(grantedOf(4, count({ roles: ["operator"] })) + grantedOf(4, count({ roles: ["operator"], subject: "bob" }))).toBe(
      burst,
    );
  });
});

describe("how much", () => {
  const granted = (change: Parameters<typeof testCaller>[0], settings = {}) => {
    const { limits } = testLimits({ env: { ...env, ...settings } });
    const caller = testCaller(change);
    return grantedOf(10_000, (header) => limits.countCaller(caller, header));
  };
  test.each([
    { what: "the token's own rate", got: granted({ rateLimit: 50 }), want: 100 },
    { what: "less than one in the time of a burst", got: granted({ rateLimit: 0.1 }), want: 1 },
    { what: "the plan's, where the token says 0", got: granted({ rateLimit: 0 }), want: burst },
    { what: "the plan's, where the token says what is no rate", got: granted({ rateLimit: Number.NaN }), want: burst },
    { what: "as much as one likes, where the plan is off", got: granted({}, { ORDERMESH_RATE_CUSTOMER: "0" }), want: 10_000 },
    { what: "the token's, where the plan is off", got: granted({ rateLimit: 1 }, { ORDERMESH_RATE_CUSTOMER: "0" }), want: 2 },
    { what: "as much as one likes, for a service", got: granted({ roles: ["service"], rateLimit: 1 }), want: 10_000 },
  ])("$what: $want", ({ got, want }) => {
    expect(got).toBe(want);
  });
});

test("the headers say by the draft's grammar what there is and what is left", () => {
  const { limits } = testLimits({ env: { ...env, ORDERMESH_SIGN_INS_PER_MINUTE: "2" } });
  const ada = testCaller();
  const { header } = outcomeOf((answer) => limits.countCaller(ada, answer));
  expect(parseItems(header.get("ratelimit-policy"))).toEqual([{ name: "customer", parameters: { q: 6, w: 2 } }]);
  expect(parseItems(header.get("ratelimit"))).toEqual([{ name: "customer", parameters: { r: 5 } }]);

  const count = (answer: Headers) => {
    limits.countAddressOf("sign_in", "192.0.2.1", answer);
    limits.countClientOf("sign_in", "shop", answer);
  };
  const both = outcomeOf(count).header;
  expect(parseItems(both.get("ratelimit-policy"))).toEqual([
    { name: "sign_in", parameters: { q: 2, w: 60 } },
    { name: "sign_in_client", parameters: { q: 600, w: 60 } },
  ]);
  expect(parseItems(both.get("ratelimit"))).toMatchObject([{ parameters: { r: 1 } }, { parameters: { r: 599 } }]);
  outcomeOf(count);
  expect(parseItems(outcomeOf(count).header.get("ratelimit"))).toEqual([{ name: "sign_in", parameters: { r: 0, t: 30 } }]);
});

test("a flood of addresses and of clients stays within its room, and takes no bucket from who has a token", () => {
  const { limits } = testLimits({ env });
  const ada = testCaller();
  expect(grantedOf(100, (header) => limits.countCaller(ada, header))).toBe(burst);
  for (let each = 0; each < 100_000; each += 1) {
    const address = `10.${each >> 16}.${(each >> 8) & 255}.${each & 255}`;
    limits.countAddress(address, new Headers());
    limits.countAddressOf("sign_in", address, new Headers());
    if (each % 2 === 0) outcomeOf((header) => limits.countClientOf("sign_in", `client-${each}`, header));
  }
  for (const plan of ["anonymous", "sign_in", "sign_in_client"] as const) expect(limits.buckets.count(plan)).toBe(bucketsMax);
  expect(limits.buckets.count("customer")).toBe(1);
  expect(outcomeOf((header) => limits.countCaller(ada, header)).outcome).toBe(limited);
});

test("refusals are counted by plan, and by nothing that says who it was", async () => {
  const { limits, metrics } = testLimits({ env });
  const ada = testCaller();
  grantedOf(burst + 3, (header) => limits.countCaller(ada, header));
  grantedOf(addressBurst + 2, (header) => limits.countAddress("192.0.2.1", header));
  const lines = (await metrics.text()).split("\n").filter((line) => line.startsWith("ordermesh_calls_rate_limited_total"));
  expect(lines.toSorted()).toEqual([
    'ordermesh_calls_rate_limited_total{plan="anonymous"} 2',
    'ordermesh_calls_rate_limited_total{plan="customer"} 3',
  ]);
});
