// What a service is to the runtime: a name, contracts, and the rooms that its main.ts wires together.
import type { DescFile, DescService } from "@bufbuild/protobuf";
import type { Client, ConnectRouter } from "@connectrpc/connect";
import type { Kysely, Transaction } from "kysely";
import type { Clock } from "./clock.ts";
import type { Bus } from "./events/bus.ts";
import type { Hearing } from "./events/hearing.ts";
import type { StoredEvents } from "./events/stored-events.ts";
import type { TakeTurn } from "./group.ts";
import type { TellHistory } from "./history/told-history.ts";
import type { Lease } from "./lease/lease-store.ts";
import type { Logger } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import type { PersonalData } from "./privacy/personal-data.ts";
import type { DueWork } from "./schedule/due-work.ts";
import type { Job } from "./schedule/jobs.ts";
import type { Environment } from "./settings.ts";

/** A service's own schema, for the tenant of the request or event, or for all. */
export interface Storage<Tables> {
  /** Reads; connected to the service's own schema. */
  db: Kysely<Tables>;
  /**
   * Runs writes in one transaction and, after the commit, wakes the relay and the due work.
   * Nothing in it may leave the process: no RPC, no publish.
   */
  transaction<Result>(work: (tx: Transaction<Tables>) => Promise<Result>): Promise<Result>;
}

/** What the runtime gives to a service's main.ts. Its storage is that of the tenant of the request or event at hand. */
export interface ServiceRuntime<Tables> extends Storage<Tables> {
  /** Over all tenants: only for what is no tenant's work, or becomes a tenant's by actFor. */
  system: Storage<Tables>;
  /** A typed client of another service: in process where it is co-located, over HTTP/2 elsewhere. */
  client<Desc extends DescService>(service: Desc): Client<Desc>;
  /** A typed client of a contract that every service offers for itself, such as DeliveryService; calls the named one. */
  clientOf<Desc extends DescService>(contract: Desc, serviceName: string): Client<Desc>;
  /**
   * Calls back for every event that is published under a subject, also by other processes; at most once, best effort.
   * Throws where the definition does not say that it follows the subject.
   */
  onEvent(subject: string, listener: (subject: string) => void): () => void;
  /** Subjects under which the event stream holds messages, of those that match a filter; each once, in no order. */
  storedSubjects(filter: string): Promise<string[]>;
  /** The events that the event stream holds under subjects that match a filter, in its order, and since when it holds any. */
  storedEvents(filter: string, messagesMax: number): Promise<StoredEvents>;
  /**
   * How long the oldest event of this process has been waiting although it could be published, in milliseconds; 0 where none
   * does. A service refuses what would only make the wait longer.
   */
  backlogMs(): number;
  /** Runs a piece of work that nobody waits for when it is its turn: callers come first. Pieces are short. */
  inBackground: TakeTurn;
  clock: Clock;
  metrics: Metrics;
  log: Logger;
  env: Environment;
}

/** Work that goes on all the time, in one instance of the service at once. */
export interface BackgroundTask {
  /** Unique among the service's leases. */
  name: string;
  /** Works until the signal aborts. One that throws is started again. Writes are fenced with holdLease. */
  run(bus: Bus, lease: Lease, signal: AbortSignal): Promise<void>;
}

/** What a service's main.ts returns. */
export interface ServiceParts {
  routes: (router: ConnectRouter) => void;
  hears?: Hearing[];
  /**
   * At least so long after a batch of events begins the next, where nobody waits for what comes of them, or where what comes of
   * them has a long way to go: what comes meanwhile makes one batch. Milliseconds; 0 where it is absent.
   */
  gatherEventsMs?: number;
  dueWork?: DueWork[];
  /** What it does again and again at set times. */
  jobs?: Job[];
  tasks?: BackgroundTask[];
  /** What it keeps about persons, for their exports and erasures; absent where it keeps nothing. */
  personalData?: PersonalData;
  /** What its tables say of an order, for whoever asks for its history; absent where they say nothing. */
  history?: TellHistory;
}

export interface ServiceDefinition<Tables = never> {
  /** Lower-case; names the database schema, the durable consumers and the outbox. */
  name: string;
  services: DescService[];
  /** Files of the events that it emits, every version that it still may emit. */
  emits: DescFile[];
  /** Subjects to which it listens with onEvent; it may listen to no others. */
  follows?: readonly string[];
  /** Of the one service that makes the streams, reads them whole and sends events again; other users may only use them. */
  keepsStreams?: { advisoriesDurable: string };
  /** Folder of migrations, each a module with up and down. */
  migrations: URL;
  create(runtime: ServiceRuntime<Tables>): ServiceParts;
}
