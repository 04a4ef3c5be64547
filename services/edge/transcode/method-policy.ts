// Our own method option, on contracts that know it.
import { create, getOption, type DescMethod } from "@bufbuild/protobuf";
import {
  file_ordermesh_options_v1_options,
  method as methodOption,
  MethodPolicySchema,
  type MethodPolicy,
} from "#gen/ordermesh/options/v1/options_pb.ts";

/** Numbers of options are given out by nobody: in a contract that does not import ours, the same number is another option. */
export function policyOf(method: DescMethod): MethodPolicy {
  const { dependencies } = method.parent.file;
  const isOurs = dependencies.some(({ name }) => name === file_ordermesh_options_v1_options.name);
  return isOurs ? getOption(method, methodOption) : create(MethodPolicySchema);
}
