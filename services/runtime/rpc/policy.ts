// A method that does not say who may call it does not start.
import type { DescService } from "@bufbuild/protobuf";
import { StartupError } from "#runtime/backing/startup-error.ts";
import { accessOf } from "#runtime/access/method-access.ts";
import { limitOf } from "#runtime/limits/method-limit.ts";

/**
 * Checks that each method declares its access: public, or at least one role, not both; that its owner_field exists, and that its limit does.
 *
 * @throws StartupError naming each method that does not, and why.
 */
export function assertPolicies(services: readonly DescService[]): void {
  const broken = services.flatMap((service) =>
    service.methods.flatMap((method) => {
      try {
        accessOf(method);
        limitOf(method);
        return [];
      } catch (error) {
        return [`${service.typeName}/${method.name}: ${(error as Error).message}`];
      }
    }),
  );
  if (broken.length === 0) return;
  throw new StartupError(`Correct option (ordermesh.options.v1.method), which says who may call: ${broken.join("; ")}.`);
}
