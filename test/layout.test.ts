// The rules of the house hold in this checkout, and each rule finds the mistake it is there for.
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { cycleViolations } from "../tools/layout/cycles.ts";
import { directionViolations } from "../tools/layout/directions.ts";
import { importsOf } from "../tools/layout/imports.ts";
import { nameViolations, readmeViolations, reasonViolations, roomViolations, sizeViolations } from "../tools/layout/rooms.ts";
import { layoutRules, violationLines } from "../tools/layout/rules.ts";
import { layoutFolders, readSources } from "../tools/layout/sources.ts";

const sources = await readSources(fileURLToPath(new URL("..", import.meta.url)), layoutFolders);

describe("this checkout", () => {
  test("has sources to look at", () => {
    expect(sources.has("services/runtime/service.ts")).toBe(true);
  });

  test.each(Object.entries(layoutRules))("%s", (_name, rule) => {
    expect(violationLines(sources, rule)).toEqual([]);
  });
});

const planted = (files: Record<string, string>): ReadonlyMap<string, string> => new Map(Object.entries(files));
const importing = (specifier: string, clause = "{ thing }"): string => `import ${clause} from "${specifier}";\n`;

describe("rooms", () => {
  test("a complete service and its neighbours are fine", () => {
    const files = "main.ts rpc.ts consumers/reserve.ts domain/price.ts domain/price.test.ts store.ts due.ts seed/products.json "
      .concat("provider/sandbox.ts carrier.ts migrations/0001_start.ts README.md reserve.test.ts")
      .split(" ")
      .map((name) => `services/orders/${name}`);
    const beside = ["services/mesh.ts", "services/runtime/anything/at-all.ts", "services/edge/console/page.css"];
    expect(roomViolations(planted(Object.fromEntries([...files, ...beside].map((path) => [path, ""]))))).toEqual([]);
  });

  test.each([
    "services/orders/logic.ts",
    "services/orders/models/order.ts",
    "services/orders/main/wire.ts",
    "services/orders/migrations.ts",
  ])("%s is in no room, and the message lists the rooms", (path) => {
    const [line = ""] = violationLines(planted({ [path]: "" }), roomViolations);
    expect(line).toContain(path);
    expect(line).toContain("main.ts, rpc.ts or rpc/, consumers.ts or consumers/, events.ts or events/, domain.ts or domain/");
  });

  test("a room that is a file and a folder is found", () => {
    const files = planted({ "services/orders/rpc.ts": "", "services/orders/rpc/place.ts": "" });
    expect(violationLines(files, roomViolations)).toEqual([expect.stringContaining("is a file and a folder")]);
  });

  test("a stray file beside the services is found", () => {
    expect(violationLines(planted({ "services/shared.ts": "" }), roomViolations)).toEqual([
      expect.stringContaining("only mesh.ts"),
    ]);
  });

  test("a service without its page is found", () => {
    expect(violationLines(planted({ "services/orders/main.ts": "" }), readmeViolations)).toEqual([
      expect.stringContaining("services/orders/README.md is missing"),
    ]);
  });
});

describe("names and sizes", () => {
  test.each([
    "services/orders/rpc/index.ts",
    "services/orders/rpc/util/text.ts",
    "test/helpers/wait.ts",
    "services/runtime/utils.ts",
  ])("%s is found", (path) => {
    expect(nameViolations(planted({ [path]: "" }))).toHaveLength(1);
  });

  test("an index of migrations is fine", () => {
    expect(nameViolations(planted({ "services/orders/migrations/index.ts": "" }))).toEqual([]);
  });

  test.each([
    { path: "services/orders/rpc.ts", lines: 349, want: 0 },
    { path: "services/orders/rpc.ts", lines: 350, want: 1 },
    { path: "test/end-to-end.test.ts", lines: 350, want: 1 },
    { path: "services/catalog/seed/products.ts", lines: 5_000, want: 0 },
  ])("$path with $lines lines: $want violations", ({ path, lines, want }) => {
    expect(sizeViolations(planted({ [path]: "x;\n".repeat(lines) }))).toHaveLength(want);
  });

  test("generated code may be long", () => {
    expect(sizeViolations(planted({ "test/polyglot/order_pb2.py": `# Code generated\n${"x\n".repeat(900)}` }))).toEqual([]);
  });
});

describe("imports", () => {
  test("every form is read, and comments are not", () => {
    const source = [
      'import a, { b as c } from "one";',
      'import type { D } from "two";',
      'import {\n  type E,\n  type F,\n} from "three";',
      'import "four";',
      'export * as g from "five";',
      'export { h } from "six";',
      'const i = await import("seven");',
      '// import j from "eight";',
      'type K = import("nine").K;',
      'export const glob = "services/**/*.ts";',
      "import * as l from 'ten';",
    ].join("\n");
    const found = importsOf(source).map(({ specifier, isTypeOnly }) => (isTypeOnly ? `type ${specifier}` : specifier));
    const want = ["one", "type two", "type three", "four", "five", "six", "seven", "nine", "ten"];
    expect(found.toSorted()).toEqual(want.toSorted());
  });

  test.each([
    ["services/orders/main.ts", "./rpc.ts"],
    ["services/orders/main.ts", "#runtime/service.ts"],
    ["services/orders/rpc/place.ts", "../domain.ts"],
    ["services/orders/rpc/place.ts", "./cancel.ts"],
    ["services/orders/consumers.ts", "../upcasts/order-created.ts"],
    ["services/orders/due.ts", "./store.ts"],
    ["services/payments/consumers.ts", "./provider/provider.ts"],
    ["services/orders/store.ts", "kysely"],
    ["services/orders/domain/order.ts", "./line.ts"],
    ["services/orders/domain.ts", "node:assert/strict"],
    ["services/runtime/server/serve.ts", "#gen/grpc/health/v1/health_pb.ts"],
    ["services/runtime/clock.ts", "./ids.ts"],
    ["services/edge/main.ts", "#gen/ordermesh/options/v1/options_pb.ts"],
    ["services/edge/oauth/endpoints.ts", "#gen/ordermesh/identity/v1/identity_service_pb.ts"],
    ["services/upcasts/order-created.ts", "@bufbuild/protobuf"],
    ["services/mesh.ts", "./orders/main.ts"],
    ["services/orders/orders.test.ts", "../../test/support/service-fixture.ts"],
  ])("%s may import %s", (path, specifier) => {
    expect(violationLines(planted({ [path]: importing(specifier) }), directionViolations)).toEqual([]);
  });

  test.each([
    ["services/orders/rpc.ts", "./consumers.ts", "rpc may import domain, events, store"],
    ["services/orders/rpc.ts", "./main.ts", "rpc may import domain, events, store"],
    ["services/orders/store.ts", "./rpc.ts", "store may import types of domain"],
    ["services/orders/store.ts", "./domain.ts", "only types of domain"],
    ["services/orders/domain.ts", "#runtime/clock.ts", "does not import the runtime"],
    ["services/orders/domain.ts", "#gen/ordermesh/orders/v1/order_pb.ts", "does not import generated code"],
    ["services/orders/domain/order.ts", "../store.ts", "domain may import nothing"],
    ["services/orders/domain.ts", "kysely", "imports no package"],
    ["services/orders/domain.ts", "node:fs", "is pure"],
    ["services/orders/rpc.ts", "../inventory/store.ts", "services never import each other"],
    ["services/orders/orders.test.ts", "../inventory/store.ts", "in tests neither"],
    ["services/orders/rpc.ts", "../runtime/errors.ts", "write #runtime/"],
    ["services/orders/rpc.ts", "../../gen/google/rpc/code_pb.ts", "write #gen/"],
    ["services/orders/main.ts", "../mesh.ts", "does not know the edge or the composition"],
    ["services/orders/main.ts", "../../tools/demo.ts", "from outside services/"],
    ["services/orders/store.ts", "../upcasts/order-created.ts", "does not import upcasts"],
    ["services/runtime/serve.ts", "../orders/main.ts", "it knows no service"],
    ["services/runtime/serve.ts", "#gen/ordermesh/orders/v1/order_pb.ts", "of gen/ the runtime knows"],
    ["services/edge/transcode/route.ts", "../../orders/domain.ts", "it knows no service"],
    ["services/edge/main.ts", "#gen/ordermesh/orders/v1/order_pb.ts", "of gen/ the edge knows"],
    ["services/upcasts/order-created.ts", "#runtime/clock.ts", "upcasts import only gen/"],
    ["services/upcasts/order-created.ts", "kysely", "upcasts import only gen/"],
    ["services/mesh.ts", "./orders/store.ts", "by its main.ts"],
  ])("%s importing %s is found: %s", (path, specifier, want) => {
    const lines = violationLines(planted({ [path]: importing(specifier) }), directionViolations);
    expect(lines).toEqual([expect.stringContaining(want)]);
    expect(lines[0]).toContain(`${path} imports ${specifier}`);
  });

  test("the store may take types of the domain", () => {
    expect(directionViolations(planted({ "services/orders/store.ts": importing("./domain.ts", "type { Order }") }))).toEqual([]);
  });

  test("a circle is found once, with the way round", () => {
    const files = planted({
      "services/orders/domain/a.ts": importing("./b.ts"),
      "services/orders/domain/b.ts": importing("./c.ts", "type { C }"),
      "services/orders/domain/c.ts": importing("./a.ts"),
      "services/orders/domain/d.ts": importing("./a.ts"),
    });
    const way = ["a", "b", "c", "a"].map((name) => `services/orders/domain/${name}.ts`).join(" → ");
    expect(violationLines(files, cycleViolations)).toEqual([expect.stringContaining(way)]);
  });
});

describe("reasons of refusals", () => {
  const rpc =
    'throw refuse(Code.NotFound, "ORDER_NOT_FOUND", "no such order");\nthrow refuse(\n  Code.Aborted,\n  "STOCK_GONE",\n  "gone",\n);';

  test("a reason that the page does not name is found, also over several lines", () => {
    const files = planted({ "services/orders/rpc.ts": rpc, "services/orders/README.md": "ORDER_NOT_FOUND_EVER" });
    expect(violationLines(files, reasonViolations)).toEqual([
      expect.stringContaining("ORDER_NOT_FOUND"),
      expect.stringContaining("STOCK_GONE"),
    ]);
  });

  test("named reasons are fine, and tests are not asked", () => {
    const files = planted({
      "services/orders/rpc.ts": rpc,
      "services/orders/rpc.test.ts": rpc.replace("STOCK_GONE", "OTHER"),
      "services/orders/README.md": "- `ORDER_NOT_FOUND`: no such order\n- `STOCK_GONE`",
    });
    expect(reasonViolations(files)).toEqual([]);
  });
});
