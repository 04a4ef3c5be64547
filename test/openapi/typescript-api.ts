// Generators of code are written for TypeScript's programming interface, which its newest version does not have. That of Protobuf's
// code has an older one of its own.
import { registerHooks } from "node:module";

const owner = import.meta.resolve("@bufbuild/protoplugin");

registerHooks({
  resolve: (specifier, context, next) => next(specifier, specifier === "typescript" ? { ...context, parentURL: owner } : context),
});
