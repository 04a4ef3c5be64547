// Each method that its contract does not call free of side effects leaves an entry of who called it. The list is made from the
// contracts, so that a method that is added is missed here until it does.
import { MethodOptions_IdempotencyLevel as Level } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import { accessOf } from "#runtime/access/method-access.ts";
import { loadContracts } from "../../tools/contracts.ts";
import { ada } from "../../services/identity/identity.fixture.ts";
import { address, entriesOf, requestId, subjects } from "./callers.ts";
import { catalogScenarios } from "./scenarios-catalog.ts";
import { changesScenarios } from "./scenarios-changes.ts";
import { customersScenarios } from "./scenarios-customers.ts";
import { fraudScenarios } from "./scenarios-fraud.ts";
import { notificationsScenarios } from "./scenarios-notifications.ts";
import { identityScenarios, newPassword } from "./scenarios-identity.ts";
import { operationsScenarios } from "./scenarios-operations.ts";
import { shippingScenarios } from "./scenarios-shipping.ts";
import { scenarios as serviceScenarios } from "./scenarios.ts";

const scenarios = [
  ...serviceScenarios,
  ...catalogScenarios,
  ...changesScenarios,
  ...shippingScenarios,
  ...operationsScenarios,
  ...identityScenarios,
  ...customersScenarios,
  ...fraudScenarios,
  ...notificationsScenarios,
];

/** What callers give in the scenarios and nobody else may read. */
const secrets = ["tok_", "1 Main St", "Lovelace", ada.login, ada.password, newPassword];

const changesNothing = [
  // Reads, and does not say so in its contract: it could then be called by GET, with its secrets in the URL.
  "ordermesh.identity.v1.IdentityService/IntrospectToken",
  // Takes what CreateStreamTicket has left an entry of, for whoever shows it.
  "ordermesh.identity.v1.IdentityService/RedeemStreamTicket",
  // Makes us look into the provider's books; what is found there is booked by nobody's call, and told by events.
  "ordermesh.payments.v1.PaymentsWebhookService/ReceiveWebhook",
  // The buyer's word to its bank, where the sandbox plays it: it changes a foreign firm's books, and what follows is told by events.
  "ordermesh.payments.v1.PaymentsSandboxService/AnswerChallenge",
  // A carrier's word, and nobody's of ours: it is kept whole on the parcel's way, and told by events.
  "ordermesh.shipping.v1.ShippingWebhookService/ReceiveCarrierMessage",
];

const files = await loadContracts();
const changing = files
  .flatMap((file) => file.services)
  .flatMap((service) => service.methods)
  .filter((method) => method.idempotency !== Level.NO_SIDE_EFFECTS);
const nameOf = (method: (typeof changing)[number]): string => `${method.parent.typeName}/${method.name}`;

test("each method that changes something has a scenario here", () => {
  const covered = [...scenarios.map(({ method }) => method), ...changesNothing];
  expect(covered.toSorted()).toEqual(changing.map(nameOf).toSorted());
});

describe.each(scenarios)("$method", ({ method: name, resourceKind, prepare, changesAgain, makesCaller }) => {
  test("leaves one entry that says who did what, from where; a repeat leaves none", async () => {
    const method = changing.find((candidate) => nameOf(candidate) === name);
    const [role = "customer"] = method ? accessOf(method).roles : [];
    const { db, change, close } = await prepare();
    try {
      const earlier = (await entriesOf(db, name)).length;
      const resourceId = await change();
      const entries = (await entriesOf(db, name)).slice(earlier);
      expect(entries).toMatchObject([
        {
          tenant_id: "demo",
          subject: makesCaller ? resourceId : subjects[role],
          client_id: "shop",
          roles: role,
          resource_kind: resourceKind,
          resource_id: resourceId,
          outcome: "OK",
          reason: "",
          peer: address,
          request_id: requestId,
        },
      ]);
      expect(entries[0]?.before ?? entries[0]?.after).not.toBeNull();
      const written = JSON.stringify(await entriesOf(db));
      for (const secret of secrets) expect(written).not.toContain(secret);
      await change().catch(() => {});
      expect(await entriesOf(db, name)).toHaveLength(earlier + (changesAgain ? 2 : 1));
    } finally {
      await close();
    }
  });
});
