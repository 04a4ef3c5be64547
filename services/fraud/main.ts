// Fraud: screens every order by rules that are data, and lets a person decide the doubtful ones.
import { file_ordermesh_fraud_events_v1_fraud_events } from "#gen/ordermesh/fraud/events/v1/fraud_events_pb.ts";
import { FraudService } from "#gen/ordermesh/fraud/v1/fraud_service_pb.ts";
import type { ServiceDefinition } from "#runtime/service.ts";
import { waveMs } from "#runtime/waves.ts";
import { fraudHears } from "./consumers/hears.ts";
import { reviewDeadlines } from "./due.ts";
import { assessmentMethods } from "./rpc/assessments.ts";
import { dryRunMethods } from "./rpc/dry-run.ts";
import { listMethods } from "./rpc/lists.ts";
import { reviewMethods } from "./rpc/reviews.ts";
import { ruleMethods } from "./rpc/rules.ts";
import { assessmentHistory } from "./store/history.ts";
import { assessmentData } from "./store/personal-data.ts";
import type { Tables } from "./store/tables.ts";

export const fraud: ServiceDefinition<Tables> = {
  name: "fraud",
  services: [FraudService],
  emits: [file_ordermesh_fraud_events_v1_fraud_events],
  migrations: new URL("migrations/", import.meta.url),
  create: (runtime) => ({
    routes: (router) => {
      router.service(FraudService, {
        ...assessmentMethods(runtime),
        ...reviewMethods(runtime),
        ...ruleMethods(runtime),
        ...listMethods(runtime),
        ...dryRunMethods(runtime),
      });
    },
    hears: fraudHears(runtime),
    gatherEventsMs: waveMs,
    dueWork: [reviewDeadlines(runtime)],
    personalData: assessmentData(runtime.db),
    history: assessmentHistory(runtime.db),
  }),
};
