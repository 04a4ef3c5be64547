// RatesService: an operator says where which rate counts. Orders keep the cost with which they were placed.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, type ServiceImpl } from "@connectrpc/connect";
import type { Transaction } from "kysely";
import {
  ZoneRateSchema,
  ZoneSchema,
  type RatesService,
  type ZoneRate as ZoneRateMessage,
} from "#gen/ordermesh/shipping/v1/rates_service_pb.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { refuse } from "#runtime/errors.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { domesticZone, faultOf, internationalZone, type ZoneRate } from "../domain/rates.ts";
import { deleteRate, hasRates, listRates, lockRate, saveRate, type RateKey } from "../store/rates.ts";
import type { Tables } from "../store/shipments.ts";
import { deleteZone, listZones, lockZone, saveZone, type Zone } from "../store/zones.ts";

type Runtime = Pick<ServiceRuntime<Tables>, "db" | "transaction">;

export function ratesMethods({ db, transaction }: Runtime, shopCountryCode: string): ServiceImpl<typeof RatesService> {
  return {
    listZones: async () => ({ zones: await listZones(db, currentRequest().tenant) }),

    putZone: async ({ zone, countryCodes }) => {
      const wanted = { zone, countryCodes: countryCodes.toSorted() };
      if (isAlwaysThere(zone)) {
        throw refuse(Code.InvalidArgument, "ZONE_RESERVED", `"${zone}" is always there: choose another name`, { zone });
      }
      if (countryCodes.includes(shopCountryCode)) throw countryTaken([shopCountryCode]);
      return { zone: await transaction((tx) => putZone(tx, currentRequest().tenant, wanted)) };
    },

    deleteZone: async ({ zone }) => {
      const key = { tenant: currentRequest().tenant, zone };
      await transaction(async (tx) => {
        const before = await lockZone(tx, key);
        if (!before) throw zoneNotFound(zone);
        if (await hasRates(tx, key)) {
          throw refuse(Code.FailedPrecondition, "ZONE_HAS_RATES", `"${zone}" has rates: delete them first`, { zone });
        }
        await deleteZone(tx, key);
        await recordChange(tx, { resource: zoneResource(zone), before: shown(ZoneSchema, before) });
      });
      return {};
    },

    listRates: async () => ({ rates: (await listRates(db, currentRequest().tenant)).map(rateMessage) }),

    putRate: async ({ rate: message }) => {
      const rate = rateOf(message);
      const fault = faultOf(rate);
      if (fault) throw refuse(Code.InvalidArgument, fault.reason, fault.message);
      await transaction((tx) => putRate(tx, currentRequest().tenant, rate));
      return { rate: rateMessage(rate) };
    },

    deleteRate: async ({ zone, currencyCode, method }) => {
      const key = { tenant: currentRequest().tenant, zone, currencyCode, method };
      await transaction(async (tx) => {
        const before = await lockRate(tx, key);
        if (!before) throw refuse(Code.NotFound, "RATE_NOT_FOUND", `there is no rate ${idOf(key)}`, { rate: idOf(key) });
        await deleteRate(tx, key);
        await recordChange(tx, { resource: rateResource(key), before: shown(ZoneRateSchema, rateMessage(before)) });
      });
      return {};
    },
  };
}

const isAlwaysThere = (zone: string): boolean => zone === domesticZone || zone === internationalZone;
const idOf = ({ zone, currencyCode, method }: Omit<RateKey, "tenant">): string => `${zone}.${currencyCode}.${method}`;
const zoneResource = (zone: string) => ({ kind: "shipping_zone", id: zone });
const rateResource = (key: Omit<RateKey, "tenant">) => ({ kind: "shipping_rate", id: idOf(key) });
const zoneNotFound = (zone: string) => refuse(Code.NotFound, "ZONE_NOT_FOUND", `there is no zone "${zone}"`, { zone });

function countryTaken(codes: readonly string[]) {
  const countries = codes.join(", ");
  return refuse(Code.FailedPrecondition, "ZONE_COUNTRY_TAKEN", `another zone has ${countries}`, { countries });
}

async function putZone(tx: Transaction<Tables>, tenant: string, wanted: Zone): Promise<Zone> {
  const before = await lockZone(tx, { tenant, zone: wanted.zone });
  const taken = await saveZone(tx, tenant, wanted);
  if (taken.length > 0) throw countryTaken(taken);
  const side = (zone: Zone) => shown(ZoneSchema, zone);
  await recordChange(tx, {
    resource: zoneResource(wanted.zone),
    ...(before && { before: side(before) }),
    after: side(wanted),
  });
  return wanted;
}

async function putRate(tx: Transaction<Tables>, tenant: string, rate: ZoneRate): Promise<void> {
  // The lock keeps the zone from being taken away meanwhile.
  if (!isAlwaysThere(rate.zone) && !(await lockZone(tx, { tenant, zone: rate.zone }))) throw zoneNotFound(rate.zone);
  const before = await lockRate(tx, { tenant, ...rate });
  await saveRate(tx, tenant, rate);
  const side = (one: ZoneRate) => shown(ZoneRateSchema, rateMessage(one));
  await recordChange(tx, { resource: rateResource(rate), ...(before && { before: side(before) }), after: side(rate) });
}

function rateOf(message: ZoneRateMessage | undefined): ZoneRate {
  if (!message) throw new Error("the contract asks for a rate");
  const { zone, currencyCode, method, baseMinorUnits, unitMinorUnits, maxMinorUnits, steps } = message;
  return {
    zone,
    currencyCode,
    method: method === "EXPRESS" ? "EXPRESS" : "STANDARD",
    baseMinorUnits: Number(baseMinorUnits),
    unitMinorUnits: Number(unitMinorUnits),
    maxMinorUnits: Number(maxMinorUnits),
    steps: steps.map(({ fromGrams, toGrams, minorUnits }) => ({
      fromGrams: Number(fromGrams),
      toGrams: toGrams === 0n ? null : Number(toGrams),
      minorUnits: Number(minorUnits),
    })),
  };
}

function rateMessage(rate: ZoneRate): MessageInitShape<typeof ZoneRateSchema> {
  const { zone, currencyCode, method, baseMinorUnits, unitMinorUnits, maxMinorUnits, steps } = rate;
  return {
    zone,
    currencyCode,
    method,
    baseMinorUnits: BigInt(baseMinorUnits),
    unitMinorUnits: BigInt(unitMinorUnits),
    maxMinorUnits: BigInt(maxMinorUnits),
    steps: steps.map(({ fromGrams, toGrams, minorUnits }) => ({
      fromGrams: BigInt(fromGrams),
      toGrams: BigInt(toGrams ?? 0),
      minorUnits: BigInt(minorUnits),
    })),
  };
}
