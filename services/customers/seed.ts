// What the customer of the demonstration has told of itself.
import type { Client } from "@connectrpc/connect";
import { CustomerState } from "#gen/ordermesh/customers/v1/customer_pb.ts";
import type { CustomersService } from "#gen/ordermesh/customers/v1/customers_service_pb.ts";
import { reasonOf } from "#runtime/errors.ts";

const profile = { displayName: "Ada", givenName: "Ada", familyName: "Lovelace", email: "ada@example.test", locale: "en-GB" };

/** A profile that is there stays as it is, and whoever is erased stays so. */
export async function seedCustomer(
  customers: Client<typeof CustomersService>,
  { headers, customerId }: { headers: { authorization: string }; customerId: string },
): Promise<void> {
  const known = await customers.getCustomer({ customerId }, { headers }).catch((error: unknown) => {
    if (reasonOf(error) === "CUSTOMER_NOT_FOUND") return undefined;
    throw error;
  });
  const isFilled = known?.customer?.state === CustomerState.ERASED || Boolean(known?.customer?.profile?.displayName);
  if (!isFilled) await customers.updateCustomer({ customerId, profile, allowMissing: true }, { headers });
}
