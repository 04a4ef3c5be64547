// How often identity is asked for its keys: once a second at most, whatever comes and whatever it answers.
import { afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { testKey, type TestKey } from "./access.fixture.ts";
import { createKeys } from "./keys.ts";

let first: TestKey;
let second: TestKey;
beforeAll(async () => {
  [first, second] = await Promise.all([testKey("key_1"), testKey("key_2")]);
});
beforeEach(() => void vi.useFakeTimers({ toFake: ["performance"] }));
afterEach(() => void vi.useRealTimers());

function asking(...published: TestKey[]) {
  const asked = { times: 0, isAway: false, published };
  const keys = createKeys(() => {
    asked.times += 1;
    if (asked.isAway) return Promise.reject(new Error("away"));
    return Promise.resolve(asked.published.map((each) => each.published));
  });
  const found = (id: string): Promise<unknown> =>
    keys.find(id).then(
      (key) => key !== undefined,
      (error: Error) => error.message,
    );
  return { asked, found };
}

/** Ten tokens a second, each with a key of its own that nobody has. */
async function floodFor(seconds: number, found: (id: string) => Promise<unknown>): Promise<Set<unknown>> {
  const answers = new Set<unknown>();
  for (let each = 0; each < seconds * 10; each += 1) {
    answers.add(await found(`made_up_${each}`));
    vi.advanceTimersByTime(100);
  }
  return answers;
}

test("while identity is away, a flood of tokens with unknown keys asks it once a second, and none is called invalid", async () => {
  const { asked, found } = asking(first);
  asked.isAway = true;
  expect(await floodFor(5, found)).toEqual(new Set(["away"]));
  expect(asked.times).toBe(5);
});

test("also with keys that are known, which serve on", async () => {
  const { asked, found } = asking(first);
  expect(await found("key_1")).toBe(true);
  asked.isAway = true;
  vi.advanceTimersByTime(400_000);
  expect(await floodFor(5, found)).toEqual(new Set(["away"]));
  // The old keys are to be read again; that is not asked for more often either.
  for (let each = 0; each < 20; each += 1) expect(await found("key_1")).toBe(true);
  expect(asked.times).toBe(1 + 5 + 1);
});

test("while it answers, the flood asks it once a second too, and is refused", async () => {
  const { asked, found } = asking(first);
  expect(await floodFor(5, found)).toEqual(new Set([false]));
  expect(asked.times).toBe(5);
});

test("at the first start keys are there a second after identity is, however often it was asked before", async () => {
  const { asked, found } = asking(first);
  asked.isAway = true;
  await floodFor(2, found);
  await found("key_1");
  asked.isAway = false;
  expect(await found("key_1")).toBe("away");
  vi.advanceTimersByTime(1_000);
  expect(await found("key_1")).toBe(true);
});

test("a new key, which is published before it signs, is known before a token names it", async () => {
  const { asked, found } = asking(first);
  await found("key_1");
  asked.published.push(second);
  vi.advanceTimersByTime(300_001);
  expect(await found("key_1")).toBe(true);
  await vi.waitFor(() => expect(asked.times).toBe(2));
  expect(await found("key_2")).toBe(true);
  expect(asked.times).toBe(2);
});

test("a new key that signs at once is found within a second, through a flood", async () => {
  const { asked, found } = asking(first);
  await floodFor(1, found);
  asked.published.push(second);
  const answers: unknown[] = [];
  for (let each = 0; each < 11; each += 1) {
    answers.push(await found("key_2"));
    vi.advanceTimersByTime(100);
  }
  expect(answers.at(-1)).toBe(true);
});
