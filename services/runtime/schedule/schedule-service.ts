// ScheduleService, for every service that runs in this process: its jobs.
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectRouter } from "@connectrpc/connect";
import type { Kysely, Transaction } from "kysely";
import { JobOutcome, JobSchema, ScheduleService } from "#gen/ordermesh/schedule/v1/schedule_service_pb.ts";
import { recordChange } from "../audit-log/record.ts";
import { shown } from "../audit-log/shown.ts";
import { refuse } from "../errors.ts";
import { lockJob, pauseJob, planJob, planNext, readJobs, unplanJob, type JobRow } from "./job-store.ts";

export interface SchedulingService {
  name: string;
  db: Kysely<never>;
  transaction<Result>(work: (tx: Transaction<never>) => Promise<Result>): Promise<Result>;
}

interface JobName {
  service: string;
  name: string;
}

export function scheduleRoutes(services: () => readonly SchedulingService[]): (router: ConnectRouter) => void {
  const find = (name: string): SchedulingService => {
    const service = services().find((candidate) => candidate.name === name);
    if (!service) throw refuse(Code.NotFound, "SERVICE_NOT_HERE", `${name} does not run in this process`, { service: name });
    return service;
  };
  const change = async ({ service, name }: JobName, decide: (tx: Transaction<never>, row: JobRow) => Promise<void>) =>
    find(service).transaction(async (tx) => {
      const row = await lockJob(tx, name);
      if (!row) throw jobNotFound(service, name);
      await decide(tx, row);
      const job = jobMessage((await lockJob(tx, name)) ?? row);
      const resource = { kind: "job", id: name };
      // When it runs next changes by itself, and is what a run on demand is about.
      await recordChange(tx, { resource, before: shown(JobSchema, jobMessage(row)), after: shown(JobSchema, job) });
      return { job };
    });
  return (router) => {
    router.service(ScheduleService, {
      listJobs: async ({ service }) => ({ jobs: (await readJobs(find(service).db)).map(jobMessage) }),
      pauseJob: (request) =>
        change(request, async (tx, row) => {
          await pauseJob(tx, row.name, true);
          await unplanJob(tx, row);
        }),
      resumeJob: (request) =>
        change(request, async (tx, row) => {
          if (!row.paused) return;
          await pauseJob(tx, row.name, false);
          await planNext(tx, row);
        }),
      runJob: (request) =>
        change(request, async (tx, row) => {
          if (row.paused) throw jobPaused(row.name);
          await planJob(tx, row, { inMs: 0 });
        }),
    });
  };
}

const outcomes: Record<JobRow["lastOutcome"], JobOutcome> = {
  "": JobOutcome.UNSPECIFIED,
  DONE: JobOutcome.DONE,
  FAILED: JobOutcome.FAILED,
};

const jobMessage = ({ name, cron, timeZone, paused, nextTime, lastTime, lastOutcome, lastDetail }: JobRow) => ({
  name,
  cron,
  timeZone,
  paused,
  ...(nextTime && { nextTime: timestampFromDate(nextTime) }),
  ...(lastTime && { lastTime: timestampFromDate(lastTime) }),
  lastOutcome: outcomes[lastOutcome],
  lastDetail,
});

const jobNotFound = (service: string, name: string) =>
  refuse(Code.NotFound, "JOB_NOT_FOUND", `${service} has no job ${name}; ListJobs names those that it has`, { service, name });

const jobPaused = (name: string) => refuse(Code.FailedPrecondition, "JOB_PAUSED", `${name} is paused: resume it first`, { name });
