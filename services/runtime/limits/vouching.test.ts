// Whom another process of the mesh is believed to call for, and whom nobody is.
import { createRouterTransport, createClient } from "@connectrpc/connect";
import { afterEach, expect, test, vi } from "vitest";
import { Health, HealthCheckResponse_ServingStatus as Status } from "#gen/grpc/health/v1/health_pb.ts";
import { createLogger } from "../log.ts";
import { runInContext } from "../request-context.ts";
import { askedByProcess, askedFrom } from "./asked-from.ts";
import { createVouching } from "./vouching.ts";

const log = createLogger({ level: "silent" });
const vouchingBy = (secret: string) => createVouching({ key: () => Buffer.from(secret), log });
const ours = vouchingBy("shared");

afterEach(() => void vi.useRealTimers());

/** The headers that arrive when the work calls another process. */
async function headersOf(within: (call: () => Promise<unknown>) => Promise<unknown>, vouching = ours): Promise<Headers> {
  let heard = new Headers();
  const transport = createRouterTransport((router) => {
    router.service(Health, {
      check: (_request, { requestHeader }) => {
        heard = new Headers(requestHeader);
        return { status: Status.SERVING };
      },
    });
  });
  const client = createClient(Health, vouching.vouchOn(transport));
  await within(() => client.check({}));
  return heard;
}

const context = { requestId: "req_1", traceparent: "", tenant: "demo" };

test.each([
  {
    what: "the edge, for its client",
    within: (call: () => Promise<unknown>) => askedFrom("192.0.2.1", call),
    want: { address: "192.0.2.1", isCounted: false },
  },
  { what: "a process for itself", within: (call: () => Promise<unknown>) => call(), want: { isCounted: true } },
  {
    what: "a process for itself, though a client's request has led to it",
    within: (call: () => Promise<unknown>) => askedFrom("192.0.2.1", () => askedByProcess(call)),
    want: { isCounted: true },
  },
  {
    what: "a service, for an event, though a client's request has led to it",
    within: (call: () => Promise<unknown>) => askedFrom("192.0.2.1", () => runInContext(context, call)),
    want: { isCounted: true },
  },
  {
    what: "a service, for a call that is counted",
    within: (call: () => Promise<unknown>) => runInContext({ ...context, call: { method: "a.B/Do", peer: "192.0.2.1" } }, call),
    want: { address: "192.0.2.1", isCounted: true },
  },
  {
    what: "a service, for a call of another process that worked for itself",
    within: (call: () => Promise<unknown>) =>
      runInContext({ ...context, call: { method: "a.B/Do", peer: "orders.local" } }, call),
    want: { isCounted: true },
  },
])("$what", async ({ within, want }) => {
  expect(ours.vouchedFor(await headersOf(within))).toEqual(want);
});

const edited = (header: Headers, edit: (text: string) => string): Headers => {
  const [[name, text]] = [...header].filter(([each]) => each === "x-ordermesh-asked-from") as [[string, string]];
  return new Headers({ [name]: edit(text) });
};

test("nobody without the secret is believed, and nothing that was changed or is old", async () => {
  const good = await headersOf((call) => askedFrom("192.0.2.1", call));
  expect(ours.vouchedFor(good)).toEqual({ address: "192.0.2.1", isCounted: false });
  expect(vouchingBy("another").vouchedFor(good)).toBeUndefined();
  expect(ours.vouchedFor(edited(good, (text) => text.replace("192.0.2.1", "mesh")))).toBeUndefined();
  expect(ours.vouchedFor(edited(good, (text) => `${text};more`))).toBeUndefined();
  expect(ours.vouchedFor(edited(good, () => "mesh"))).toBeUndefined();
  expect(ours.vouchedFor(edited(good, () => ""))).toBeUndefined();
  vi.useFakeTimers({ now: Date.now() + 180_000 });
  expect(ours.vouchedFor(good)).toBeUndefined();
});

test("a process that has no secret calls without proof, and believes nobody", async () => {
  const asked = vi.fn<() => Buffer>(() => {
    throw new Error("no secret");
  });
  const without = createVouching({ key: asked, log });
  const header = await headersOf((call) => call(), without);
  expect([...header.keys()]).not.toContain("x-ordermesh-asked-from");
  expect(without.vouchedFor(await headersOf((call) => call()))).toBeUndefined();
  expect(asked).toHaveBeenCalledTimes(1);
});
