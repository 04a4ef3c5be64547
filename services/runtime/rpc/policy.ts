// A method that does not say who may call it does not start.
import { getOption, hasOption, type DescMethod, type DescService } from "@bufbuild/protobuf";
import { method as methodPolicy } from "#gen/ordermesh/options/v1/options_pb.ts";
import { StartupError } from "#runtime/backing/startup-error.ts";

/**
 * Checks that each method declares its access: public, or at least one role, not both.
 *
 * @throws StartupError naming each method that does not.
 */
export function assertPolicies(services: readonly DescService[]): void {
  const undeclared = services.flatMap((service) =>
    service.methods.filter((method) => !declaresAccess(method)).map((method) => `${service.typeName}/${method.name}`),
  );
  if (undeclared.length === 0) return;
  const names = undeclared.join(", ");
  throw new StartupError(
    `Declare who may call ${names}: give option (ordermesh.options.v1.method) an access, public or with roles.`,
  );
}

function declaresAccess(method: DescMethod): boolean {
  if (!hasOption(method, methodPolicy)) return false;
  const { access } = getOption(method, methodPolicy);
  return access !== undefined && access.public !== access.roles.length > 0;
}
