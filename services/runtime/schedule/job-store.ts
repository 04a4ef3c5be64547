// The rows of jobs, and the due work by which they run.
import { sql, type Kysely, type Transaction } from "kysely";
import { givenTimeOf } from "../database/given-time.ts";
import { nextTime } from "./cron.ts";
import { cancelDue, planDue, type DueTime } from "./due-work.ts";

/** Kind of the due work of all jobs; its key is the job's name. */
export const jobKind = "runtime.job";
/** Jobs are the installation's, and no tenant's. */
export const noTenant = "";

export interface JobTiming {
  name: string;
  cron: string;
  timeZone: string;
}

export interface JobRow extends JobTiming {
  paused: boolean;
  nextTime: Date | null;
  lastTime: Date | null;
  lastOutcome: "" | "DONE" | "FAILED";
  lastDetail: string;
}

const cause = { id: "", traceparent: "" };
const detailCharactersMax = 500;

/** What is due is judged by the database's clock, and so is what comes next. */
async function nowOf<Tables>(tx: Transaction<Tables>): Promise<Date> {
  const given = givenTimeOf(tx);
  if (given) return given;
  const read = await sql<{ now: Date }>`select clock_timestamp() as now`.execute(tx);
  return read.rows[0]?.now ?? new Date();
}

export async function planJob<Tables>(tx: Transaction<Tables>, { name }: { name: string }, due: DueTime): Promise<void> {
  await planDue(tx, [{ kind: jobKind, tenant: noTenant, key: name, due, cause }]);
}

export async function planNext<Tables>(tx: Transaction<Tables>, job: JobTiming): Promise<void> {
  await planJob(tx, job, { at: nextTime(job, await nowOf(tx)) });
}

export async function unplanJob<Tables>(tx: Transaction<Tables>, { name }: { name: string }): Promise<void> {
  await cancelDue(tx, jobKind, [{ tenant: noTenant, key: name }]);
}

/**
 * Makes the rows what the program declares: new jobs are planned, those with another timing planned anew, and those that are declared
 * no more go. What fell due while nobody ran stays planned, and so is done once.
 */
export async function declareJobs<Tables>(tx: Transaction<Tables>, jobs: readonly JobTiming[]): Promise<void> {
  // Replicas that start at the same moment do it one after the other.
  await sql`lock table scheduled_job in share row exclusive mode`.execute(tx);
  const known = new Map((await readJobs(tx)).map((row) => [row.name, row]));
  for (const job of jobs) {
    const row = known.get(job.name);
    known.delete(job.name);
    const isSame = row?.cron === job.cron && row.timeZone === job.timeZone;
    if (isSame && (row.paused || row.nextTime)) continue;
    await sql`
      insert into scheduled_job (name, cron, time_zone) values (${job.name}, ${job.cron}, ${job.timeZone})
      on conflict (name) do update set cron = excluded.cron, time_zone = excluded.time_zone`.execute(tx);
    if (!row?.paused) await planNext(tx, job);
  }
  for (const gone of known.values()) {
    await unplanJob(tx, gone);
    await sql`delete from scheduled_job where name = ${gone.name}`.execute(tx);
  }
}

const jobColumns = sql`
  name, cron, time_zone as "timeZone", paused, last_time as "lastTime", last_outcome as "lastOutcome", last_detail as "lastDetail",
  (select due_time from due_work where kind = ${jobKind} and tenant_id = ${noTenant} and key = name) as "nextTime"`;

/** All jobs, by name. */
export async function readJobs<Tables>(db: Kysely<Tables>): Promise<JobRow[]> {
  return (await sql<JobRow>`select ${jobColumns} from scheduled_job order by name`.execute(db)).rows;
}

/** Locks a job's row until the transaction ends. Whoever runs or pauses it does so first. */
export async function lockJob<Tables>(tx: Transaction<Tables>, name: string): Promise<JobRow | undefined> {
  return (await sql<JobRow>`select ${jobColumns} from scheduled_job where name = ${name} for update`.execute(tx)).rows[0];
}

export async function pauseJob<Tables>(tx: Transaction<Tables>, name: string, paused: boolean): Promise<void> {
  await sql`update scheduled_job set paused = ${paused} where name = ${name}`.execute(tx);
}

export async function saveOutcome<Tables>(
  db: Kysely<Tables> | Transaction<Tables>,
  run: { name: string; outcome: "DONE" | "FAILED"; detail: string },
): Promise<void> {
  const time = givenTimeOf(db) ?? null;
  await sql`
    update scheduled_job
    set last_time = coalesce(${time}::timestamptz, clock_timestamp()), last_outcome = ${run.outcome},
      last_detail = ${run.detail.slice(0, detailCharactersMax)}
    where name = ${run.name}`.execute(db);
}
