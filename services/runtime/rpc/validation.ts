// Requests are checked against the rules of their contract; the caller learns everything that is wrong at once.
import { create, type DescMessage, type DescService, type MessageShape } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { createValidator, type Validator, type Violation } from "@bufbuild/protovalidate";
import { Code, type ConnectError, type Interceptor } from "@connectrpc/connect";
import { BadRequestSchema } from "#gen/google/rpc/error_details_pb.ts";
import { StartupError } from "#runtime/backing/startup-error.ts";
import { refuse } from "#runtime/errors.ts";
import { matchesPattern } from "./patterns.ts";
import { fieldsWithNul } from "./text-fields.ts";

const fieldsInMessageMax = 3;

/**
 * A validator that has compiled the rules of every request of the services.
 *
 * @throws StartupError naming each message whose rules do not compile.
 */
export function compileValidator(services: readonly DescService[]): Validator {
  const validator = createValidator({ regexMatch: matchesPattern });
  const requests = new Set(services.flatMap((service) => service.methods.map((method) => method.input)));
  const broken = [...requests].flatMap((request) => {
    const result = validator.validate(request, create(request));
    return result.kind === "error" ? [`${request.typeName} (${result.error.message})`] : [];
  });
  if (broken.length > 0) throw new StartupError(`Correct the validation rules that do not compile: ${broken.join(", ")}.`);
  return validator;
}

/** Refuses requests that break the rules of their contract: INVALID_ARGUMENT with a BadRequest that lists every violation. */
export function validateRequests({ validator }: { validator: Validator }): Interceptor {
  const check = <Desc extends DescMessage>(desc: Desc, message: MessageShape<Desc>): void => {
    const result = validator.validate(desc, message);
    if (result.kind === "invalid") throw invalidArgument(result.violations);
    if (result.kind === "error") throw result.error;
    const unstorable = fieldsWithNul(desc, message);
    if (unstorable.length > 0) throw holdsNul(unstorable);
  };
  async function* checked<Desc extends DescMessage>(
    desc: Desc,
    messages: AsyncIterable<MessageShape<Desc>>,
  ): AsyncGenerator<MessageShape<Desc>> {
    for await (const message of messages) {
      check(desc, message);
      yield message;
    }
  }
  return (next) => async (request) => {
    if (request.stream) return next({ ...request, message: checked(request.method.input, request.message) });
    check(request.method.input, request.message);
    return next(request);
  };
}

function holdsNul(fields: readonly string[]): ConnectError {
  const description = "text must not hold NUL characters";
  const fieldViolations = fields.map((field) => ({ field, description, reason: "text.no_nul" }));
  const message = `${fields.slice(0, fieldsInMessageMax).join(", ")}: ${description}`;
  return refuse(Code.InvalidArgument, "INVALID_ARGUMENT", message, {}, [{ desc: BadRequestSchema, value: { fieldViolations } }]);
}

function invalidArgument(violations: readonly Violation[]): ConnectError {
  const fieldViolations = violations.map((violation) => ({
    // Empty where the rule is one of the whole message.
    field: pathToString(violation.field),
    description: violation.message,
    reason: violation.ruleId,
  }));
  const named = fieldViolations.slice(0, fieldsInMessageMax);
  const sentence = named.map(({ field, description }) => (field === "" ? description : `${field}: ${description}`)).join("; ");
  const rest = fieldViolations.length - named.length;
  const message = rest > 0 ? `${sentence}; and ${rest} more` : sentence;
  return refuse(Code.InvalidArgument, "INVALID_ARGUMENT", message, {}, [{ desc: BadRequestSchema, value: { fieldViolations } }]);
}
