// All rules of the house, by the name under which a test reports them.
import { cycleViolations } from "./cycles.ts";
import { directionViolations } from "./directions.ts";
import { nameViolations, readmeViolations, reasonViolations, roomViolations, sizeViolations } from "./rooms.ts";
import type { Sources, Violation } from "./sources.ts";

export const layoutRules: Readonly<Record<string, (sources: Sources) => Violation[]>> = {
  "every file of a service is in a room": roomViolations,
  "every service has its page": readmeViolations,
  "imports run one way": directionViolations,
  "no files import each other in a circle": cycleViolations,
  "no barrels, no folder of helpers": nameViolations,
  "no file is too long": sizeViolations,
  "every reason of a refusal is on the service's page": reasonViolations,
};

/** Path and message, as a test prints them. */
export function violationLines(sources: Sources, rule: (sources: Sources) => Violation[]): string[] {
  return rule(sources).map(({ path, message }) => `${path} ${message}`);
}
