// PrivacyService, for every service that runs in this process: what it keeps about a person.
import { Code, type ConnectRouter } from "@connectrpc/connect";
import { PrivacyService } from "#gen/ordermesh/privacy/v1/privacy_service_pb.ts";
import { refuse } from "../errors.ts";
import { readPageToken, writePageToken } from "../page-token.ts";
import { currentRequest } from "../request-context.ts";
import type { PersonalData } from "./personal-data.ts";

export interface KeepingService {
  name: string;
  /** Undefined where it keeps nothing about a person. */
  personalData: PersonalData | undefined;
}

export function privacyRoutes(services: () => readonly KeepingService[]): (router: ConnectRouter) => void {
  const find = (name: string): PersonalData | undefined => {
    const service = services().find((candidate) => candidate.name === name);
    if (!service) throw refuse(Code.NotFound, "SERVICE_NOT_HERE", `${name} does not run in this process`, { service: name });
    return service.personalData;
  };
  return (router) => {
    router.service(PrivacyService, {
      exportPersonalData: async ({ service, customerId, orderIds, pageToken }) => {
        const personalData = find(service);
        const person = { tenant: currentRequest().tenant, customerId, orderIds };
        const page = await personalData?.list(person, readPageToken(pageToken));
        const { records = [], next } = page ?? {};
        return { records, nextPageToken: next === undefined ? "" : writePageToken(next) };
      },
      listRemainders: async ({ service, customerId, orderIds }) => {
        const person = { tenant: currentRequest().tenant, customerId, orderIds };
        return { remainders: (await find(service)?.remainders(person)) ?? [] };
      },
    });
  };
}
