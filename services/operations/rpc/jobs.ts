// The jobs of all services, for whoever looks after the installation.
import { Code, type ServiceImpl } from "@connectrpc/connect";
import {
  PauseJobRequestSchema,
  ResumeJobRequestSchema,
  RunJobRequestSchema,
} from "#gen/ordermesh/operations/v1/operations_service_pb.ts";
import type { OperationsService } from "#gen/ordermesh/operations/v1/operations_service_pb.ts";
import { ScheduleService } from "#gen/ordermesh/schedule/v1/schedule_service_pb.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { refuse } from "#runtime/errors.ts";
import { sendingServices } from "../events/event-types.ts";
import type { OperationsRoutesOptions } from "./routes-options.ts";

type JobMethods = Pick<ServiceImpl<typeof OperationsService>, "listJobs" | "pauseJob" | "resumeJob" | "runJob">;

export function jobRoutes({ runtime }: OperationsRoutesOptions): JobMethods {
  const jobsOf = (service: string) => {
    if (sendingServices.includes(service)) return runtime.clientOf(ScheduleService, service);
    throw refuse(Code.InvalidArgument, "SERVICE_UNKNOWN", `no service is named ${service}`, { service });
  };
  // Before the service is asked, which knows only us: should it not answer, this says at least what was wanted.
  const write = (id: string, after: ReturnType<typeof shown>): Promise<void> =>
    runtime.transaction((tx) => recordChange(tx, { resource: { kind: "job", id }, after }));
  return {
    listJobs: async ({ service }) => ({ jobs: (await jobsOf(service).listJobs({ service })).jobs }),
    pauseJob: async (request) => {
      const { service, name } = request;
      const jobs = jobsOf(service);
      await write(name, shown(PauseJobRequestSchema, request));
      return { job: (await jobs.pauseJob({ service, name })).job };
    },
    resumeJob: async (request) => {
      const { service, name } = request;
      const jobs = jobsOf(service);
      await write(name, shown(ResumeJobRequestSchema, request));
      return { job: (await jobs.resumeJob({ service, name })).job };
    },
    runJob: async (request) => {
      const { service, name } = request;
      const jobs = jobsOf(service);
      await write(name, shown(RunJobRequestSchema, request));
      return { job: (await jobs.runJob({ service, name })).job };
    },
  };
}
