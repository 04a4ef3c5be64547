// What customers want to be told, and on which channels.
import { create } from "@bufbuild/protobuf";
import { Code, type ServiceImpl } from "@connectrpc/connect";
import {
  GetPreferencesResponseSchema,
  type NotificationsService,
  type UpdatePreferencesRequest,
} from "#gen/ordermesh/notifications/v1/notifications_service_pb.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { refuse } from "#runtime/errors.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { effectivePreferences, type Preference } from "../domain/facts.ts";
import { lockCustomer, readPreferences, savePreferences } from "../store/preferences.ts";
import type { NotificationsTables } from "../store/tables.ts";

type Methods = Pick<ServiceImpl<typeof NotificationsService>, "getPreferences" | "updatePreferences">;

export function preferenceMethods({ db, transaction }: ServiceRuntime<NotificationsTables>): Methods {
  return {
    getPreferences: async ({ customerId }) => {
      const said = await readPreferences(db, { tenant: currentRequest().tenant, customerId });
      return create(GetPreferencesResponseSchema, { preferences: effectivePreferences(said) });
    },

    updatePreferences: (request) =>
      transaction(async (tx) => {
        const { customerId } = request;
        const customer = { tenant: currentRequest().tenant, customerId };
        const wanted = distinct(request);
        if (await lockCustomer(tx, customer)) {
          const message = `customer ${customerId} is erased, so nothing is kept`;
          throw refuse(Code.FailedPrecondition, "CUSTOMER_ERASED", message, { customerId });
        }
        const before = effectivePreferences(await readPreferences(tx, customer));
        await savePreferences(tx, customer, wanted);
        const after = before.map((one) => wanted.find((other) => nameOf(other) === nameOf(one)) ?? one);
        const resource = { kind: "notification_preferences", id: customerId };
        await recordChange(tx, { resource, before: shownPreferences(before), after: shownPreferences(after) });
        return { preferences: after };
      }),
  };
}

/** Two that say different things of the same would leave to chance which one holds. */
function distinct({ preferences }: UpdatePreferencesRequest): Preference[] {
  const names = preferences.map(nameOf);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    throw refuse(Code.InvalidArgument, "PREFERENCE_GIVEN_TWICE", `${twice} is named twice: name each once`, {
      preference: twice,
    });
  }
  return preferences.map(({ fact, channel, enabled }) => ({ fact, channel, enabled }) as Preference);
}

const nameOf = ({ fact, channel }: { fact: string; channel: string }): string => `${fact}:${channel}`;
const shownPreferences = (preferences: readonly Preference[]) =>
  Object.fromEntries(preferences.map((preference) => [nameOf(preference), preference.enabled]));
