// Jobs run at their times, once for all instances, and say how it went.
import { createClient, type Client } from "@connectrpc/connect";
import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { JobOutcome, ScheduleService, type Job as JobMessage } from "#gen/ordermesh/schedule/v1/schedule_service_pb.ts";
import { job, type Job } from "#runtime/schedule/jobs.ts";
import { serviceTransport } from "../support/identity.ts";
import { refusal } from "../support/refusal.ts";
import { eventually, until } from "../support/until.ts";
import { labelsOf, probeWorld, type Probe, type ProbeTables, type ProbeWorld } from "./probe.ts";

let world: ProbeWorld;
let one: Probe;
let schedule: Client<typeof ScheduleService>;
let failuresLeft = 0;

const hourly = (name: string): Job =>
  job<ProbeTables>({
    name,
    cron: "0 * * * *",
    timeZone: "Asia/Kolkata",
    run: async (tx) => {
      await tx.insertInto("effect").values({ event_id: "job", key: name, label: "ran" }).execute();
      if (name === "failing" && failuresLeft-- > 0) throw new Error("not yet");
      return "one effect";
    },
  });
const jobs = ["counted", "failing", "missed", "resting"].map(hourly);

beforeAll(async () => {
  world = await probeWorld();
  [one] = await Promise.all([world.start(undefined, { jobs }), world.start(undefined, { jobs })]);
  schedule = createClient(ScheduleService, serviceTransport(`http://127.0.0.1:${one.host.rpcPort}`));
});
afterAll(() => world.close());

const about = (name: string) => ({ service: "probe", name });
const read = async (name: string): Promise<JobMessage> => {
  const { jobs: listed } = await schedule.listJobs({ service: "probe" });
  const found = listed.find((each) => each.name === name);
  if (!found) throw new Error(`no job ${name} among ${listed.length}`);
  return found;
};
const ran = async (name: string): Promise<number> => (await labelsOf(one, name)).length;
const nextMs = async (name: string): Promise<number> => Number((await read(name)).nextTime?.seconds ?? 0n) * 1_000 - Date.now();
const isNextHour = (ms: number): boolean => ms > -1_000 && ms <= 3_600_000;

test("all are listed with their next time, in their time zone", async () => {
  const { jobs: listed } = await schedule.listJobs({ service: "probe" });
  expect(listed.map(({ name }) => name)).toEqual(["counted", "failing", "missed", "resting"]);
  expect(listed[0]).toMatchObject({
    cron: "0 * * * *",
    timeZone: "Asia/Kolkata",
    paused: false,
    lastOutcome: JobOutcome.UNSPECIFIED,
  });
  // Half an hour beside UTC.
  expect(Number(listed[0]?.nextTime?.seconds) % 3_600).toBe(1_800);
});

test("two instances run it once when it is due, and plan it anew", async () => {
  await schedule.runJob(about("counted"));
  await until(async () => (await read("counted")).lastOutcome === JobOutcome.DONE);
  expect(await read("counted")).toMatchObject({ lastDetail: "one effect" });
  expect(isNextHour(await nextMs("counted"))).toBe(true);
  expect(await ran("counted")).toBe(1);
});

test("however often its time has passed, it runs once", async () => {
  await sql`update due_work set due_time = now() - interval '3 days' where kind = 'runtime.job' and key = 'missed'`.execute(
    one.runtime.db,
  );
  await until(async () => (await read("missed")).lastOutcome === JobOutcome.DONE);
  expect(isNextHour(await nextMs("missed"))).toBe(true);
  expect(await ran("missed")).toBe(1);
});

test("one that fails has no effect, says why, and is tried again", async () => {
  failuresLeft = 1;
  await schedule.runJob(about("failing"));
  await until(async () => (await read("failing")).lastOutcome === JobOutcome.FAILED);
  expect((await read("failing")).lastDetail).toBe("not yet");
  await until(async () => (await read("failing")).lastOutcome === JobOutcome.DONE);
  expect(await ran("failing")).toBe(1);
});

test("one that is paused does not run, not even where it is due, until it is resumed", async () => {
  const paused = await schedule.pauseJob(about("resting"));
  expect(paused.job).toMatchObject({ paused: true });
  expect(paused.job?.nextTime).toBeUndefined();
  expect(await refusal(schedule.runJob(about("resting")))).toMatchObject({ reason: "JOB_PAUSED" });
  expect(await refusal(schedule.runJob(about("unknown")))).toMatchObject({ reason: "JOB_NOT_FOUND" });
  // As one that was claimed when it was paused.
  await sql`
    insert into due_work (id, kind, tenant_id, key, due_time, cause_id, traceparent)
    values ('due_resting', 'runtime.job', '', 'resting', now(), '', '')`.execute(one.runtime.db);
  await eventually(async () => expect((await read("resting")).nextTime).toBeUndefined());
  expect(await ran("resting")).toBe(0);
  expect((await schedule.resumeJob(about("resting"))).job).toMatchObject({ paused: false });
  expect(isNextHour(await nextMs("resting"))).toBe(true);
});

test("a program with other jobs keeps those that are the same, plans those that are new, and forgets the rest", async () => {
  const before = await read("counted");
  const later = { ...hourly("counted"), timeZone: "UTC" };
  await world.start(undefined, { jobs: [later, hourly("failing"), hourly("new")] });
  const { jobs: listed } = await schedule.listJobs({ service: "probe" });
  expect(listed.map(({ name }) => name)).toEqual(["counted", "failing", "new"]);
  expect(listed[0]).toMatchObject({ timeZone: "UTC", lastOutcome: before.lastOutcome });
  expect(Number(listed[0]?.nextTime?.seconds) % 3_600).toBe(0);
});
