// Who waits: callers of this process's edge as much as callers of its port, and no service for another.
import { createClient, createRouterTransport } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { CatalogService } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { createForeground, type Callers } from "../foreground.ts";
import { askedFrom } from "../limits/asked-from.ts";
import { createLogger } from "../log.ts";
import { serverInterceptors } from "./interceptors.ts";

/** A service in this process, and what it has seen of callers; a first call makes a second one. */
function services() {
  const foreground = createForeground();
  const seen: Callers[] = [];
  let begun = 0;
  const counting = { ...foreground, begin: () => ((begun += 1), foreground.begin()) };
  const interceptors = serverInterceptors({ log: createLogger({ level: "silent" }), tenant: "demo", foreground: counting });
  const transport = createRouterTransport(
    ({ service }) => {
      service(CatalogService, {
        getProduct: async ({ productId }) => {
          seen.push(foreground.callers());
          if (productId === "first") await createClient(CatalogService, transport).getProduct({ productId: "second" });
          return {};
        },
      });
    },
    { router: { interceptors } },
  );
  return { client: createClient(CatalogService, transport), seen, begun: () => begun };
}

test("a call through the edge of this process counts, once with all that it calls", async () => {
  const { client, seen, begun } = services();
  await askedFrom("192.0.2.7", () => client.getProduct({ productId: "first" }));
  expect([seen, begun()]).toEqual([["some", "some"], 1]);
});

test("what the process does for itself does not", async () => {
  const { client, seen, begun } = services();
  await client.getProduct({ productId: "first" });
  expect([seen, begun()]).toEqual([["none", "none"], 0]);
});
