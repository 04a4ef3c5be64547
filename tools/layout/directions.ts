// Which way imports may run.
import { importsOf, resolveImport, type Import, type Target } from "./imports.ts";
import { placeOf, type Place } from "./places.ts";
import { isTest, type Sources, type Violation } from "./sources.ts";

interface RoomRule {
  /** Rooms of the same service, besides its own. */
  rooms: readonly string[];
  /** Rooms of which only types may be taken. */
  typesOf?: readonly string[];
  runtime: boolean;
  gen: boolean;
  upcasts: boolean;
  packages: boolean;
}

const entrance: RoomRule = {
  rooms: ["domain", "events", "store", "provider", "carrier"],
  runtime: true,
  gen: true,
  upcasts: true,
  packages: true,
};
const ground: RoomRule = { rooms: [], typesOf: ["domain"], runtime: true, gen: true, upcasts: false, packages: true };

const roomRules: Readonly<Record<string, RoomRule>> = {
  main: { ...entrance, rooms: [...entrance.rooms, "rpc", "consumers", "due", "tasks", "migrations", "seed"], upcasts: false },
  rpc: entrance,
  consumers: entrance,
  due: entrance,
  // What goes on all the time, under a lease.
  tasks: entrance,
  // What the service sends, written together with what it saves.
  events: { ...ground, rooms: ["store"] },
  seed: { ...entrance, upcasts: false },
  store: ground,
  provider: ground,
  carrier: ground,
  migrations: { ...ground, typesOf: [], gen: false },
  domain: { rooms: [], runtime: false, gen: false, upcasts: false, packages: false },
};

/** An invariant may be asserted anywhere, also where nothing else may come in. */
const nodeModulesOfDomain = ["node:assert", "node:assert/strict"];
const genOfRuntime = /^(ordermesh\/(options|type|delivery|auditlog|privacy|schedule|history|identity)|google|grpc|buf)\//;
const genOfEdge = /^(ordermesh\/(options|identity)|google)\//;

interface Step {
  place: Place;
  imported: Import;
  target: Target;
}

function roomViolation(step: Step, { service, room }: { service: string; room: string }): string | undefined {
  const rule = roomRules[room];
  // A file in no room is named by the rule of the rooms.
  if (!rule) return undefined;
  const { target, imported } = step;
  if (target.kind === "package") return rule.packages ? undefined : `${room} imports no package`;
  if (target.kind === "node") {
    return rule.packages || nodeModulesOfDomain.includes(target.name)
      ? undefined
      : `${room} is pure: of Node it may use node:assert`;
  }
  const to = placeOf(target.path);
  switch (to.kind) {
    case "service":
      if (to.service !== service) return "services never import each other; call the generated client or hear the event";
      if (to.room === room || rule.rooms.includes(to.room)) return undefined;
      if (rule.typesOf?.includes(to.room)) return imported.isTypeOnly ? undefined : `${room} may import only types of ${to.room}`;
      return `${room} may import ${[...rule.rooms, ...(rule.typesOf ?? []).map((name) => `types of ${name}`)].join(", ") || "nothing"} of its service`;
    case "runtime":
      if (!rule.runtime) return `${room} does not import the runtime`;
      return imported.specifier.startsWith("#runtime/") ? undefined : "write #runtime/, not a relative path";
    case "gen":
      if (!rule.gen) return `${room} does not import generated code`;
      return imported.specifier.startsWith("#gen/") ? undefined : "write #gen/, not a relative path";
    case "upcasts":
      return rule.upcasts ? undefined : `${room} does not import upcasts; rpc, consumers and due do`;
    case "edge":
    case "mesh":
      return "a service does not know the edge or the composition";
    case "outside":
      return "a service imports nothing from outside services/ and gen/";
  }
}

function runtimeViolation({ target, imported }: Step): string | undefined {
  if (target.kind !== "file") return undefined;
  const to = placeOf(target.path);
  if (to.kind === "runtime") return undefined;
  if (to.kind !== "gen") return "the runtime imports only itself, packages and generated options and types: it knows no service";
  if (!imported.specifier.startsWith("#gen/")) return "write #gen/, not a relative path";
  return genOfRuntime.test(to.path)
    ? undefined
    : "of gen/ the runtime knows ordermesh/options, ordermesh/type, ordermesh/delivery, ordermesh/auditlog, ordermesh/privacy, ordermesh/schedule, ordermesh/history, ordermesh/identity, google, grpc and buf";
}

function edgeViolation({ target, imported }: Step): string | undefined {
  if (target.kind !== "file") return undefined;
  const to = placeOf(target.path);
  if (to.kind === "edge") return undefined;
  if (to.kind === "runtime")
    return imported.specifier.startsWith("#runtime/") ? undefined : "write #runtime/, not a relative path";
  if (to.kind !== "gen")
    return "the edge imports only itself, packages, the runtime and generated options: it knows no service but the contract of identity";
  if (!imported.specifier.startsWith("#gen/")) return "write #gen/, not a relative path";
  return genOfEdge.test(to.path) ? undefined : "of gen/ the edge knows ordermesh/options, ordermesh/identity and google";
}

function upcastViolation({ target, imported }: Step): string | undefined {
  if (target.kind === "package" && target.name.startsWith("@bufbuild/")) return undefined;
  if (target.kind === "file") {
    const to = placeOf(target.path);
    if (to.kind === "upcasts") return undefined;
    if (to.kind === "gen") return imported.specifier.startsWith("#gen/") ? undefined : "write #gen/, not a relative path";
  }
  return "upcasts import only gen/ and @bufbuild: they change a shape and nothing else";
}

function meshViolation({ target }: Step): string | undefined {
  if (target.kind !== "file") return undefined;
  const to = placeOf(target.path);
  if (to.kind === "outside") return "the composition imports nothing from outside services/ and gen/";
  return to.kind === "service" && !["main", "seed"].includes(to.room)
    ? "the composition takes a service by its main.ts, and what it shows from seed"
    : undefined;
}

function violationOf(step: Step): string | undefined {
  const { place } = step;
  switch (place.kind) {
    case "service":
      return roomViolation(step, place);
    case "runtime":
      return runtimeViolation(step);
    case "edge":
      return edgeViolation(step);
    case "upcasts":
      return upcastViolation(step);
    case "mesh":
      return meshViolation(step);
    case "gen":
    case "outside":
      return undefined;
  }
}

/** A test may stand on anything but another service's inside. */
function testViolation({ place, target }: Step): string | undefined {
  if (place.kind !== "service" || target.kind !== "file") return undefined;
  const to = placeOf(target.path);
  return to.kind === "service" && to.service !== place.service ? "services never import each other, in tests neither" : undefined;
}

export function directionViolations(sources: Sources): Violation[] {
  return [...sources].flatMap(([path, text]) => {
    if (!path.startsWith("services/") || !/\.tsx?$/.test(path)) return [];
    const place = placeOf(path);
    return importsOf(text).flatMap((imported) => {
      const step: Step = { place, imported, target: resolveImport(path, imported.specifier) };
      const message = isTest(path) ? testViolation(step) : violationOf(step);
      return message ? [{ path, message: `imports ${imported.specifier}: ${message}` }] : [];
    });
  });
}
