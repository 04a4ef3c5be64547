// Tells listeners in this process of events as they are published; a hint to look, never the truth.
import type { NatsConnection, Subscription } from "@nats-io/transport-node";

export interface EventHub {
  /** Listens to a subject, wildcards allowed. Returns how to stop. */
  on(subject: string, listener: (subject: string) => void): () => void;
}

/** One subscription a subject, however many listen. */
export function createEventHub(connection: NatsConnection): EventHub {
  const subjects = new Map<string, { subscription: Subscription; listeners: Set<(subject: string) => void> }>();
  return {
    on: (subject, listener) => {
      let entry = subjects.get(subject);
      if (!entry) {
        const listeners = new Set<(subject: string) => void>();
        const subscription = connection.subscribe(subject, {
          callback: (error, message) => {
            if (!error) for (const each of listeners) each(message.subject);
          },
        });
        entry = { subscription, listeners };
        subjects.set(subject, entry);
      }
      const { listeners, subscription } = entry;
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
        if (listeners.size > 0) return;
        subscription.unsubscribe();
        subjects.delete(subject);
      };
    },
  };
}
