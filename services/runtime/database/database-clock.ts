// The database's time, counted on by this process: for work whose times several instances compare. The wall clock of one
// machine may be wrong, and may jump while the process runs.
import { sql, type Kysely } from "kysely";
import type { Clock } from "../clock.ts";

const askEveryMs = 60_000;

/** Until the database has answered for the first time it is the given clock. */
export function databaseClock<Tables>(db: Kysely<Tables>, fallback: Clock): Clock {
  let base: { time: number; atMs: number } | undefined;
  let askAfterMs = 0;

  const ask = async (): Promise<void> => {
    const beganMs = performance.now();
    const read = await sql<{ now: Date }>`select clock_timestamp() as now`.execute(db);
    const time = read.rows[0]?.now.getTime();
    if (time !== undefined) base = { time, atMs: (beganMs + performance.now()) / 2 };
  };
  const askAgain = (): void => {
    askAfterMs = performance.now() + askEveryMs;
    // Where it does not answer, the steady clock of the process goes on from its last answer.
    void ask().catch(() => {});
  };
  askAgain();

  return {
    now: () => {
      if (performance.now() >= askAfterMs) askAgain();
      return base ? new Date(base.time + performance.now() - base.atMs) : fallback.now();
    },
  };
}
