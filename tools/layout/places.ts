// Where a file stands in the house: which service, and which of its rooms.
export type Place =
  | { kind: "service"; service: string; room: string }
  | { kind: "runtime" }
  | { kind: "edge" }
  | { kind: "upcasts" }
  | { kind: "mesh" }
  | { kind: "gen"; path: string }
  | { kind: "outside" };

/** Folders of services/ that are no service. */
const otherFolders = ["runtime", "edge", "upcasts"] as const;

/** A room is the first path segment inside the service, without its ending: domain.ts and domain/price.ts are both "domain". */
const roomOf = (rest: string): string => (rest.includes("/") ? rest.slice(0, rest.indexOf("/")) : rest.replace(/\..*$/, ""));

export function placeOf(path: string): Place {
  if (path.startsWith("gen/")) return { kind: "gen", path: path.slice("gen/".length) };
  if (!path.startsWith("services/")) return { kind: "outside" };
  const inside = path.slice("services/".length);
  const slash = inside.indexOf("/");
  if (slash === -1) return { kind: "mesh" };
  const folder = inside.slice(0, slash);
  const other = otherFolders.find((name) => name === folder);
  return other ? { kind: other } : { kind: "service", service: folder, room: roomOf(inside.slice(slash + 1)) };
}

export function serviceNames(paths: Iterable<string>): string[] {
  const names = new Set<string>();
  for (const path of paths) {
    const place = placeOf(path);
    if (place.kind === "service") names.add(place.service);
  }
  return [...names];
}
