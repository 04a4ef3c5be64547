// Finds files that import each other in a circle, also where they only take types: such files are one thing in pieces.
import { importsOf, resolveImport } from "./imports.ts";
import type { Sources, Violation } from "./sources.ts";

function neighbours(sources: Sources, path: string): string[] {
  const targets = importsOf(sources.get(path) ?? "").map(({ specifier }) => resolveImport(path, specifier));
  return targets.flatMap((target) => (target.kind === "file" && sources.has(target.path) ? [target.path] : []));
}

/** One violation for each import that closes a circle, with the way round. */
export function cycleViolations(sources: Sources): Violation[] {
  const violations: Violation[] = [];
  const done = new Set<string>();
  const visit = (path: string, way: readonly string[]): void => {
    if (done.has(path)) return;
    const start = way.indexOf(path);
    if (start !== -1) {
      violations.push({ path, message: `imports itself in a circle: ${[...way.slice(start), path].join(" → ")}` });
      return;
    }
    for (const next of neighbours(sources, path)) visit(next, [...way, path]);
    done.add(path);
  };
  for (const path of sources.keys()) {
    if (path.startsWith("services/") && /\.tsx?$/.test(path)) visit(path, []);
  }
  return violations;
}
