// PicksService: the queue at the shelves. A claim is over by itself, so that a worker who goes away keeps nobody waiting.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, type ServiceImpl } from "@connectrpc/connect";
import type { Transaction } from "kysely";
import { PickSchema, type PicksService } from "#gen/ordermesh/shipping/v1/picks_service_pb.ts";
import { ShippingMethod } from "#gen/ordermesh/shipping/v1/shipment_pb.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { refuse } from "#runtime/errors.ts";
import { cutPage, pageSizeOf, readPageToken } from "#runtime/page-token.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { inTurn, pack, type Pick } from "../domain/pick.ts";
import { readHeld } from "../store/holds.ts";
import { claimNext, lockClaims, lockPicks, readQueue, savePacked, type Turn } from "../store/picks.ts";
import type { OrderKey, Tables } from "../store/shipments.ts";
import type { WhichParcel } from "./read-parcel.ts";
import { methodMessages, shipmentNotBooked, shipmentNotFound } from "./shipment-message.ts";

const leaseSecondsDefault = 600;

export function picksMethods(runtime: ServiceRuntime<Tables>): ServiceImpl<typeof PicksService> {
  const { db, clock, transaction } = runtime;
  return {
    listPicks: async ({ pageSize, pageToken }) => {
      const rowsMax = pageSizeOf(pageSize);
      const after = turnOf(readPageToken(pageToken));
      const found = await readQueue(db, { tenant: currentRequest().tenant, after, rowsMax: rowsMax + 1 });
      const { rows, nextPageToken } = cutPage(found, rowsMax, turnKey);
      return { picks: rows.map(pickMessage), nextPageToken };
    },

    claimPicks: async ({ worker, count, leaseSeconds }) => {
      const now = clock.now();
      const until = new Date(now.getTime() + (leaseSeconds || leaseSecondsDefault) * 1_000);
      const wish = { tenant: currentRequest().tenant, worker, now, until, count: count || 1 };
      return { picks: (await transaction((tx) => claim(tx, wish))).map(pickMessage) };
    },

    packPick: async ({ orderId, shipmentId, worker }) => {
      const key = { tenant: currentRequest().tenant, orderId, shipmentId };
      return { pick: pickMessage(await transaction((tx) => packed(tx, key, { worker, now: clock.now() }))) };
    },
  };
}

async function claim(
  tx: Transaction<Tables>,
  wish: { tenant: string; worker: string; now: Date; until: Date; count: number },
): Promise<Pick[]> {
  const mine = (await lockClaims(tx, wish)).toSorted(inTurn).slice(0, wish.count);
  const more = wish.count - mine.length;
  const claimed = more > 0 ? await claimNext(tx, { ...wish, rowsMax: more }) : [];
  for (const { before, after } of claimed) await record(tx, before, after);
  return [...mine, ...claimed.map(({ after }) => after)].toSorted(inTurn);
}

async function packed(tx: Transaction<Tables>, key: OrderKey & WhichParcel, about: { worker: string; now: Date }): Promise<Pick> {
  const { orderId, shipmentId } = key;
  const parcels = await lockPicks(tx, key);
  if (shipmentId === "" && parcels.length > 1) {
    const message = `order ${orderId} leaves in several parcels: say which by shipment_id`;
    throw refuse(Code.FailedPrecondition, "SHIPMENT_NOT_NAMED", message, { orderId });
  }
  const pick = shipmentId === "" ? parcels[0] : parcels.find((parcel) => parcel.shipmentId === shipmentId);
  if (!pick) throw shipmentNotFound(orderId);
  if (pick.state === "CREATED" && (await readHeld(tx, [key])).size > 0) {
    const message = `order ${orderId} is being changed: claim its parcel again in a moment`;
    throw refuse(Code.FailedPrecondition, "SHIPMENT_ON_HOLD", message, { orderId });
  }
  const outcome = pack(pick, about);
  switch (outcome.kind) {
    case "packed_before":
      return pick;
    case "not_claimed":
      throw refuse(
        Code.FailedPrecondition,
        "PICK_NOT_CLAIMED",
        `${about.worker} has not claimed the parcel of order ${orderId}`,
        {
          orderId,
        },
      );
    case "not_booked":
      throw shipmentNotBooked(orderId);
    case "stopped":
      throw refuse(Code.FailedPrecondition, "SHIPMENT_STOPPED", `the parcel of order ${orderId} is not to leave`, { orderId });
    case "too_late":
      throw refuse(Code.FailedPrecondition, "ALREADY_DISPATCHED", `the parcel of order ${orderId} has left`, { orderId });
    case "packed":
      await savePacked(tx, key.tenant, outcome.pick);
      await record(tx, pick, outcome.pick);
      return outcome.pick;
  }
}

function record(tx: Transaction<Tables>, before: Pick, after: Pick): Promise<void> {
  const side = (pick: Pick) => shown(PickSchema, pickMessage(pick));
  return recordChange(tx, { resource: { kind: "shipment", id: after.orderId }, before: side(before), after: side(after) });
}

const turnKey = ({ priority, createTime, orderId, parcel }: Pick): string =>
  `${priority}.${createTime.getTime()}.${orderId}.${parcel}`;

/** Undefined for the begin of the queue. */
function turnOf(key: string | undefined): Turn | undefined {
  if (key === undefined) return undefined;
  // A token from before orders had several parcels names none.
  const [, priority, time, orderId, parcel = "1"] = /^(NORMAL|RUSH)\.(\d{1,15})\.([\w-]+)(?:\.(\d{1,5}))?$/.exec(key) ?? [];
  if (orderId === undefined) {
    throw refuse(Code.InvalidArgument, "PAGE_TOKEN_INVALID", "page_token is not one that an earlier page has given");
  }
  return { isRush: priority === "RUSH", createTime: new Date(Number(time)), orderId, parcel: Number(parcel) };
}

function pickMessage(pick: Pick): MessageInitShape<typeof PickSchema> {
  const { orderId, shipmentId, priority, method, lines, createTime, worker, leaseTime, packTime } = pick;
  return {
    orderId,
    shipmentId,
    priority,
    method: method ? methodMessages[method] : ShippingMethod.UNSPECIFIED,
    lines: lines.map(({ sku, quantity }) => ({ sku, quantity: BigInt(quantity) })),
    createTime: timestampFromDate(createTime),
    worker,
    ...(leaseTime && { leaseTime: timestampFromDate(leaseTime) }),
    ...(packTime && { packTime: timestampFromDate(packTime) }),
  };
}
