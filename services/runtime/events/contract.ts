// What a descriptor says about an event, and the subjects that follow from it.
import { getOption, hasOption, type DescField, type DescMessage, type Message } from "@bufbuild/protobuf";
import { event as eventOption } from "#gen/ordermesh/options/v1/options_pb.ts";

export interface EventContract {
  desc: DescMessage;
  /** Such as ordermesh.orders.events.v2.OrderCreated. */
  typeName: string;
  /** Such as orders. */
  service: string;
  /** Such as v2. */
  version: string;
  /** Such as OrderCreated. */
  name: string;
  keyField: DescField;
  stream: string;
}

const typeNamePattern = /^ordermesh\.([a-z]+)\.events\.(v[0-9]+)\.([A-Za-z0-9]+)$/;
const keyPattern = /^[A-Za-z0-9_-]{1,128}$/;
const contracts = new WeakMap<DescMessage, EventContract>();

/** Reads the event option. Throws where a message has none or it does not fit: such a contract must not start. */
export function eventContract(desc: DescMessage): EventContract {
  const known = contracts.get(desc);
  if (known) return known;
  const [, service, version, name] = typeNamePattern.exec(desc.typeName) ?? [];
  if (!service || !version || !name) throw new Error(`${desc.typeName} is not named ordermesh.<service>.events.v<N>.<Event>`);
  if (!hasOption(desc, eventOption)) throw new Error(`${desc.typeName} has no (ordermesh.options.v1.event) option`);
  const policy = getOption(desc, eventOption);
  const keyField = desc.fields.find((field) => field.name === policy.keyField);
  if (!keyField) throw new Error(`${desc.typeName}: key_field "${policy.keyField}" is not one of its fields`);
  if (policy.stream === "") throw new Error(`${desc.typeName}: the event option names no stream`);
  const contract = { desc, typeName: desc.typeName, service, version, name, keyField, stream: policy.stream };
  contracts.set(desc, contract);
  return contract;
}

/** The event's key. Throws where it is empty or could not stand in a subject. */
export function eventKey(contract: EventContract, message: Message): string {
  const key = (message as unknown as Record<string, unknown>)[contract.keyField.localName];
  if (typeof key !== "string" || !keyPattern.test(key)) {
    throw new Error(`${contract.typeName}: key "${String(key)}" is not 1 to 128 letters, digits, "_" or "-"`);
  }
  return key;
}

/** Where an event is published: <full type name>.<tenant>.<key>. */
export function eventSubject(typeName: string, tenant: string, key: string): string {
  return `${typeName}.${tenant}.${key}`;
}

/** All versions of an event, as it is stored in one partition. */
export function partitionFilter(contract: EventContract, partition: number): string {
  return `p.${partition}.ordermesh.${contract.service}.events.*.${contract.name}.>`;
}

export interface ParsedSubject {
  typeName: string;
  tenant: string;
  key: string;
  /** True where the event was sent again to one consumer only. */
  redriven: boolean;
}

// A stranger's tenant and key may be other than ours, as far as PostgreSQL and its indexes can hold them.
const storedPattern =
  /^(redrive\.[a-z]+\.)?p\.\d+\.(ordermesh\.[a-z]+\.events\.v[0-9]+\.[A-Za-z0-9]+)\.([\x21-\x2d\x2f-\x7e]{1,128})\.([\x21-\x2d\x2f-\x7e]{1,128})$/;

/** Takes a stored subject apart; undefined where it is none of ours. */
export function parseStoredSubject(subject: string): ParsedSubject | undefined {
  const [, redrive, typeName, tenant, key] = storedPattern.exec(subject) ?? [];
  return typeName && tenant && key ? { typeName, tenant, key, redriven: redrive !== undefined } : undefined;
}
