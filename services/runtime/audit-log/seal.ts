// A seal names entries with their hashes, and the seal before it: whoever changes one of them has to change all that follow.
import { hash } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { AuditLogSealedSchema, type AuditLogSealed } from "#gen/ordermesh/auditlog/events/v1/auditlog_events_pb.ts";
import { eventSubject } from "../events/contract.ts";

export const hashBytes = 32;
/** What stands for the seal before the first. */
export const noHash = Buffer.alloc(hashBytes);

/** Seals are of all tenants together. */
export const sealTenant = "mesh";

/** Where a service tells its seals. */
export const sealSubject = (service: string): string => eventSubject(AuditLogSealedSchema.typeName, sealTenant, service);

export interface SealContent {
  service: string;
  number: number;
  /** In the order of commits, as are their hashes. */
  entryIds: number[];
  entryHashes: Buffer;
  lastXid: string;
  lastId: number;
  previousHash: Buffer;
  timeMs: number;
}

export interface Seal extends SealContent {
  hash: Buffer;
}

/** SHA-256 over all that a seal says. */
export function sealHash({ service, number, entryIds, entryHashes, lastXid, lastId, previousHash, timeMs }: SealContent): Buffer {
  const hashes = [entryHashes, previousHash].map((bytes) => bytes.toString("hex"));
  return hash("sha256", JSON.stringify([service, number, entryIds, ...hashes, lastXid, lastId, timeMs]), "buffer");
}

export function sealEvent({ timeMs, ...seal }: Seal): MessageInitShape<typeof AuditLogSealedSchema> {
  return {
    service: seal.service,
    number: BigInt(seal.number),
    entryIds: seal.entryIds.map(BigInt),
    entryHashes: new Uint8Array(seal.entryHashes),
    lastXid: seal.lastXid,
    lastId: BigInt(seal.lastId),
    previousHash: new Uint8Array(seal.previousHash),
    hash: new Uint8Array(seal.hash),
    sealTime: timestampFromMs(timeMs),
  };
}

export function sealOfEvent(event: AuditLogSealed): Seal {
  return {
    service: event.service,
    number: Number(event.number),
    entryIds: event.entryIds.map(Number),
    entryHashes: Buffer.from(event.entryHashes),
    lastXid: event.lastXid,
    lastId: Number(event.lastId),
    previousHash: Buffer.from(event.previousHash),
    hash: Buffer.from(event.hash),
    timeMs: event.sealTime ? timestampMs(event.sealTime) : 0,
  };
}
