// Finds what a module imports. Statements are found by their form, which oxfmt keeps: they begin a line.
import { posix } from "node:path";

export interface Import {
  specifier: string;
  /** Gone after type stripping. */
  isTypeOnly: boolean;
  /** Resolved when the code gets there, not when the module loads. */
  isDynamic: boolean;
}

const statementPattern = /^[ \t]*(?:import|export)\s+([\w$*\s{},]+?)\s*from\s*(["'])([^"'\n]+)\2/gm;
const bareImportPattern = /^[ \t]*import\s*(["'])([^"'\n]+)\1/gm;
const dynamicImportPattern = /\bimport\(\s*(["'`])([^"'`$\n]+)\1/g;
const commentLinePattern = /^[ \t]*(?:\/\/|\/\*|\*).*$/gm;

function isTypeClause(clause: string): boolean {
  if (/^type\s/.test(clause)) return true;
  const named = /^\{([^}]*)\}$/.exec(clause.trim())?.[1];
  const names = named?.split(",").filter((name) => name.trim() !== "") ?? [];
  return names.length > 0 && names.every((name) => /^\s*type\s/.test(name));
}

export function importsOf(source: string): Import[] {
  const code = source.replaceAll(commentLinePattern, "");
  const statements = [...code.matchAll(statementPattern)].map(
    ([, clause = "", , specifier = ""]): Import => ({ specifier, isTypeOnly: isTypeClause(clause), isDynamic: false }),
  );
  const bare = [...code.matchAll(bareImportPattern)].map(
    ([, , specifier = ""]): Import => ({ specifier, isTypeOnly: false, isDynamic: false }),
  );
  const dynamic = [...code.matchAll(dynamicImportPattern)].map(
    ([, , specifier = ""]): Import => ({ specifier, isTypeOnly: false, isDynamic: true }),
  );
  return [...statements, ...bare, ...dynamic];
}

export type Target = { kind: "file"; path: string } | { kind: "package"; name: string } | { kind: "node"; name: string };

const packageImports: readonly (readonly [prefix: string, folder: string])[] = [
  ["#runtime/", "services/runtime/"],
  ["#gen/", "gen/"],
];

/** What a specifier means in the file that says it. */
export function resolveImport(from: string, specifier: string): Target {
  if (specifier.startsWith("node:")) return { kind: "node", name: specifier };
  if (specifier.startsWith(".")) return { kind: "file", path: posix.join(posix.dirname(from), specifier) };
  for (const [prefix, folder] of packageImports) {
    if (specifier.startsWith(prefix)) return { kind: "file", path: posix.normalize(folder + specifier.slice(prefix.length)) };
  }
  const segments = specifier.startsWith("@") ? 2 : 1;
  return { kind: "package", name: specifier.split("/").slice(0, segments).join("/") };
}
