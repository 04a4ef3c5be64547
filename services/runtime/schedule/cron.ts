// Times by a cron expression in a time zone. On the day on which clocks go forward a time that there is not is the moment of the
// change; on the day on which they go back a time that there is twice is the first.
import { Cron } from "croner";

/** The next time after another. Throws where the expression or the time zone means nothing, or where such a time never comes. */
export function nextTime({ cron, timeZone }: { cron: string; timeZone: string }, after: Date): Date {
  const next = new Cron(cron, { timezone: timeZone, paused: true, mode: "5-part" }).nextRun(after);
  if (!next) throw new Error(`"${cron}" in ${timeZone} never comes`);
  return next;
}
