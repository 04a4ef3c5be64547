// Wakes a task of a service wherever it runs: in this process at once, in another one by a message of NATS.
// Messages may be lost, so whoever waits looks by itself from time to time, too.
import type { NatsConnection } from "@nats-io/transport-node";
import { createWakeUp, type WakeUp } from "./wake-up.ts";

/** What is woken more often in so many milliseconds is told once. */
const tellEveryMs = 5;

export interface SharedWakeUp extends WakeUp {
  /** Listens to other processes no more. */
  close(): void;
}

export function createSharedWakeUp(options: {
  connection: NatsConnection;
  /** The same in all processes that may run the task. */
  subject: string;
  /** True where the task runs in this process. */
  runsHere: () => boolean;
}): SharedWakeUp {
  const { connection, subject, runsHere } = options;
  const here = createWakeUp();
  const subscription = connection.subscribe(subject, { callback: () => here.wake() });
  let isAway = false;
  let telling: NodeJS.Timeout | undefined;

  const publish = (): void => {
    telling = undefined;
    // While nobody hears us nothing is kept to be said later: at the reconnection it is said once.
    if (!isAway && !subscription.isClosed()) connection.publish(subject);
  };
  void (async () => {
    for await (const { type } of connection.status()) {
      if (type === "disconnect") isAway = true;
      if (type !== "reconnect") continue;
      isAway = false;
      publish();
    }
  })();

  return {
    wake: () => {
      here.wake();
      if (!runsHere()) telling ??= setTimeout(publish, tellEveryMs);
    },
    wait: here.wait,
    close: () => {
      clearTimeout(telling);
      subscription.unsubscribe();
    },
  };
}
