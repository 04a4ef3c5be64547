// Jobs run at set times, each once, whatever the number of replicas: a job that is due is due work.
import type { Kysely, Transaction } from "kysely";
import { StartupError } from "../backing/startup-error.ts";
import { actFor, actForAll } from "../database/scope.ts";
import { nextTime } from "./cron.ts";
import { dueWork, type DueWork } from "./due-work.ts";
import { jobKind, lockJob, noTenant, planNext, saveOutcome, type JobTiming } from "./job-store.ts";

export interface Job extends JobTiming {
  /**
   * Over all tenants, in one transaction with what says that it ran: so it takes effect once, and where it throws it has none and is
   * tried again. Answers in words what it did.
   */
  run(tx: Transaction<never>): Promise<string>;
}

export function job<Tables>(declared: JobTiming & { run(tx: Transaction<Tables>): Promise<string> }): Job {
  return declared as unknown as Job;
}

/** Throws StartupError where a timing means nothing: found at start, and not at night. */
export function assertJobs(jobs: readonly Job[]): void {
  for (const each of jobs) assertTiming(each);
  if (new Set(jobs.map(({ name }) => name)).size !== jobs.length) throw new Error("two jobs have the same name");
}

function assertTiming(timing: JobTiming): void {
  try {
    nextTime(timing, new Date());
  } catch (error) {
    const { name, cron, timeZone } = timing;
    throw new StartupError(
      `The job ${name} is set to "${cron}" in "${timeZone}", which is no time: ${(error as Error).message} ` +
        `Give it the five fields of crontab(5) and a time zone of the IANA database, such as "0 2 * * *" and "Europe/Berlin".`,
    );
  }
}

/** However often a job's time has come while nobody ran, it is one run. */
export function jobWork(db: Kysely<never>, jobs: readonly Job[]): DueWork {
  const byName = new Map(jobs.map((each) => [each.name, each]));
  return dueWork<never>({
    kind: jobKind,
    apply: async (tx, items) => {
      await actForAll(tx);
      for (const { item } of items) {
        const row = await lockJob(tx, item.key);
        const declared = byName.get(item.key);
        // It was paused while it was claimed, or is one of a program that is newer or older than this one.
        if (!row || row.paused || !declared) continue;
        const detail = await declared.run(tx);
        await saveOutcome<never>(tx, { name: row.name, outcome: "DONE", detail });
        await planNext(tx, row);
      }
      await actFor(tx, noTenant);
    },
    failed: ({ key }, error) => saveOutcome<never>(db, { name: key, outcome: "FAILED", detail: error.message }),
  });
}
