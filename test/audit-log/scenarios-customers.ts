// The same for customers.
import { CustomersService } from "#gen/ordermesh/customers/v1/customers_service_pb.ts";
import { ErasureReason } from "#gen/ordermesh/customers/v1/customer_pb.ts";
import { customersFixture, home, profile } from "../../services/customers/customers.fixture.ts";
import { worldOf, type Change, type Scenario, type World } from "./scenarios.ts";
import { subjects } from "./callers.ts";

const customerId = subjects.customer;

type Customers = ReturnType<typeof clientOf>;
const clientOf = (world: World) => world.client(CustomersService);

const scenario = (
  method: string,
  resourceKind: string,
  change: (customers: Customers, addressId: string) => Change,
): Scenario => ({
  method: `ordermesh.customers.v1.CustomersService/${method}`,
  resourceKind,
  prepare: async () => {
    const world = worldOf(await customersFixture());
    const customers = clientOf(world);
    const { address } = await customers.createAddress({ customerId, address: home });
    return { ...world, change: change(customers, address?.addressId ?? "") };
  },
});

export const customersScenarios: readonly Scenario[] = [
  scenario("UpdateCustomer", "customer", (customers) => async () => {
    return (await customers.updateCustomer({ customerId, profile })).customer?.customerId;
  }),
  scenario("CreateAddress", "address", (customers) => async () => {
    return (await customers.createAddress({ customerId, address: home, requestId: "create-1" })).address?.addressId;
  }),
  scenario("UpdateAddress", "address", (customers, addressId) => async () => {
    return (await customers.updateAddress({ customerId, addressId, address: { label: "Home" } })).address?.addressId;
  }),
  scenario("DeleteAddress", "address", (customers, addressId) => async () => {
    await customers.deleteAddress({ customerId, addressId });
    return addressId;
  }),
  scenario("RecordConsent", "consent", (customers) => async () => {
    const consent = { customerId, purpose: "analytics", granted: true, textVersion: "1" };
    return (await customers.recordConsent(consent)).consent?.consentId;
  }),
  scenario("EraseCustomer", "customer", (customers) => async () => {
    const { erasure } = await customers.eraseCustomer({ customerId, reason: ErasureReason.OBJECTION });
    return erasure?.customerId;
  }),
];
