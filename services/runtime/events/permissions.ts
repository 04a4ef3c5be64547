// What a process must be allowed at the NATS server, and no more. Every subject that the runtime uses stands here once more:
// where the two differ, the test with a server that refuses says so (test/security).
// https://docs.nats.io/running-a-nats-service/configuration/securing_nats/authorization
import { sealSubject } from "../audit-log/seal.ts";
import { revocationSubjects } from "../access/follow-revocations.ts";
import { grantedSubjects } from "../limits/share-grants.ts";
import type { ServiceDefinition } from "../service.ts";
import { eventContract } from "./contract.ts";
import { advisoryStream, durableName, eventStream } from "./streams.ts";

export interface NatsPermissions {
  publish: { allow: string[]; deny?: string[] };
  subscribe: { allow: string[] };
}

export interface PermissionOptions {
  /** The services of the process. */
  runs: readonly ServiceDefinition[];
  /** All services of the mesh. */
  all: readonly ServiceDefinition[];
  partitions: number;
  inboxPrefix: string;
}

/** One process has one connection, so one that runs several services may do what each of them may. */
export function permissionsOf({ runs, all, partitions, inboxPrefix }: PermissionOptions): NatsPermissions {
  const others = all.filter(({ name }) => !runs.some((own) => own.name === name));
  const deny = [
    ...others.flatMap(({ name }) => consumersOf(name, partitions, "MSG.NEXT")),
    ...all.flatMap(({ name }) => consumersOf(name, partitions, "DELETE")),
  ];
  return {
    publish: {
      allow: unique([
        ...ofEveryProcess,
        ...runs.flatMap((service) => [...mayPublish(service, partitions), ...mayKeepStreams(service)]),
      ]),
      ...(deny.length > 0 ? { deny: unique(deny) } : {}),
    },
    subscribe: {
      allow: unique([
        `${inboxPrefix}.>`,
        grantedSubjects,
        ...runs.flatMap(({ name, follows = [] }) => [wakeUpSubject(name, "*"), ...follows]),
      ]),
    },
  };
}

/** What is revoked is read from the stream, by a consumer whose name is of the client's making; and grants are told. */
const ofEveryProcess = [
  `$JS.API.CONSUMER.CREATE.${eventStream}.*.${revocationSubjects}`,
  ...["INFO", "MSG.NEXT", "DELETE"].map((verb) => `$JS.API.CONSUMER.${verb}.${eventStream}.*`),
  grantedSubjects,
];

/** What the wildcards would allow with the consumers of a service that last. */
const consumersOf = (service: string, partitions: number, verb: "MSG.NEXT" | "DELETE"): string[] =>
  durablesOf(service, partitions).map((durable) => `$JS.API.CONSUMER.${verb}.${eventStream}.${durable}`);

const unique = (subjects: readonly string[]): string[] => [...new Set(subjects)];

/** Wakes a task of a service wherever it runs. */
export function wakeUpSubject(service: string, task: string): string {
  return `ordermesh.wake.${service}.${task}`;
}

function mayPublish({ name, emits }: ServiceDefinition, partitions: number): string[] {
  return [
    ...eventsOf(emits).map((typeName) => `${typeName}.*.*`),
    // Its own and nobody else's: a seal in the stream is believed against the database.
    sealSubject(name),
    wakeUpSubject(name, "*"),
    "$JS.API.INFO",
    // The relay looks whether the stream still has what it has acknowledged. That reads any message: what is kept apart here
    // is who may write and who may take from whom, not who may read.
    ...[eventStream, advisoryStream].map((stream) => `$JS.API.STREAM.INFO.${stream}`),
    `$JS.API.STREAM.MSG.GET.${eventStream}`,
    ...durablesOf(name, partitions).map((durable) => `$JS.API.CONSUMER.INFO.${eventStream}.${durable}`),
    ...consuming(name, partitions),
  ];
}

const durablesOf = (service: string, partitions: number): string[] =>
  Array.from({ length: partitions }, (_, partition) => durableName(service, partition));

/** Makes the consumers of a service, takes events from them and says what became of each. */
function consuming(service: string, partitions: number): string[] {
  return durablesOf(service, partitions).flatMap((durable) => consumingAs(eventStream, durable));
}

const consumingAs = (stream: string, durable: string): string[] => [
  // The client takes the one or the other, by how many subjects the consumer hears.
  `$JS.API.CONSUMER.CREATE.${stream}.${durable}`,
  `$JS.API.CONSUMER.DURABLE.CREATE.${stream}.${durable}`,
  `$JS.API.CONSUMER.MSG.NEXT.${stream}.${durable}`,
  `$JS.ACK.${stream}.${durable}.>`,
];

/** Nobody may delete a stream: where that is to be, a person does it. */
function mayKeepStreams({ keepsStreams }: ServiceDefinition): string[] {
  if (!keepsStreams) return [];
  const { advisoriesDurable } = keepsStreams;
  return [
    ...[eventStream, advisoryStream].flatMap((stream) => [
      `$JS.API.STREAM.CREATE.${stream}`,
      `$JS.API.STREAM.UPDATE.${stream}`,
      `$JS.API.STREAM.MSG.GET.${stream}`,
    ]),
    // Readings have names of the server's making.
    `$JS.API.CONSUMER.CREATE.${eventStream}`,
    `$JS.API.CONSUMER.LIST.${eventStream}`,
    `$JS.API.CONSUMER.INFO.${advisoryStream}.${advisoriesDurable}`,
    ...consumingAs(advisoryStream, advisoriesDurable),
    "redrive.>",
  ];
}

/** Messages that are only parts of events have no option. */
function eventsOf(files: ServiceDefinition["emits"]): string[] {
  return files.flatMap((file) => {
    const parts = new Set(file.messages.flatMap((message) => message.fields.map((field) => field.message)));
    return file.messages.filter((message) => !parts.has(message)).map((message) => eventContract(message).typeName);
  });
}
