// gRPC server reflection, v1 and v1alpha, from the descriptors that generated code carries: tools need no .proto files.
import { createRegistry, toBinary, type DescFile, type DescService } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectRouter } from "@connectrpc/connect";
import { ServerReflection, type ServerReflectionRequest } from "#gen/grpc/reflection/v1/reflection_pb.ts";
import {
  ServerReflection as ServerReflectionAlpha,
  type ServerReflectionRequest as ServerReflectionRequestAlpha,
} from "#gen/grpc/reflection/v1alpha/reflection_pb.ts";

// v1alpha differs from v1 in its type names only.
type Request = ServerReflectionRequest | ServerReflectionRequestAlpha;
type Answer =
  | { case: "listServicesResponse"; value: { service: { name: string }[] } }
  | { case: "fileDescriptorResponse"; value: { fileDescriptorProto: Uint8Array[] } }
  | { case: "allExtensionNumbersResponse"; value: { baseTypeName: string; extensionNumber: number[] } }
  | { case: "errorResponse"; value: { errorCode: number; errorMessage: string } };

/** Serves the descriptors of the services, of everything they import, and of reflection itself. */
export function addReflection(router: ConnectRouter, services: readonly DescService[]): void {
  const answer = answerFrom([...services, ServerReflection, ServerReflectionAlpha]);
  async function* serverReflectionInfo<Asked extends Request>(requests: AsyncIterable<Asked>) {
    for await (const request of requests) {
      yield { validHost: request.host, originalRequest: request, messageResponse: answer(request.messageRequest) };
    }
  }
  router.service(ServerReflection, { serverReflectionInfo });
  router.service(ServerReflectionAlpha, { serverReflectionInfo });
}

function answerFrom(services: readonly DescService[]): (question: Request["messageRequest"]) => Answer {
  const files = closureOf(services.map((service) => service.file));
  const fileByPath = new Map(files.map((file) => [file.proto.name, file]));
  const registry = createRegistry(...files);
  const extensions = [...registry].filter((desc) => desc.kind === "extension");

  /** Also the names of methods, fields and enum values, which stand in the file of what they belong to. */
  const fileOfSymbol = (symbol: string): DescFile | undefined =>
    (registry.get(symbol) ?? registry.get(symbol.slice(0, Math.max(0, symbol.lastIndexOf(".")))))?.file;

  return (question) => {
    switch (question.case) {
      case "listServices":
        return { case: "listServicesResponse", value: { service: services.map(({ typeName }) => ({ name: typeName })) } };
      case "fileByFilename":
        return fileAnswer(fileByPath.get(question.value), question.value);
      case "fileContainingSymbol":
        return fileAnswer(fileOfSymbol(question.value), question.value);
      case "fileContainingExtension": {
        const { containingType, extensionNumber } = question.value;
        const found = extensions.find(
          ({ extendee, number }) => extendee.typeName === containingType && number === extensionNumber,
        );
        return fileAnswer(found?.file, `extension ${extensionNumber} of ${containingType}`);
      }
      case "allExtensionNumbersOfType": {
        const baseTypeName = question.value;
        if (!registry.getMessage(baseTypeName)) return notFound(baseTypeName);
        const extensionNumber = extensions
          .filter(({ extendee }) => extendee.typeName === baseTypeName)
          .map(({ number }) => number);
        return { case: "allExtensionNumbersResponse", value: { baseTypeName, extensionNumber } };
      }
      case undefined:
        return failure(Code.InvalidArgument, "the request asks nothing");
    }
  };
}

function fileAnswer(file: DescFile | undefined, asked: string): Answer {
  if (!file) return notFound(asked);
  // With all that it imports, in an order in which each file follows what it needs.
  const fileDescriptorProto = closureOf([file]).map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto } };
}

function notFound(asked: string): Answer {
  return failure(Code.NotFound, `not found: ${asked}`);
}

function failure(errorCode: Code, errorMessage: string): Answer {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}

/** The files and all that they import, each once, the imported first. */
function closureOf(roots: readonly DescFile[]): DescFile[] {
  const found = new Set<DescFile>();
  const visit = (file: DescFile): void => {
    if (found.has(file)) return;
    for (const dependency of file.dependencies) visit(dependency);
    found.add(file);
  };
  for (const root of roots) visit(root);
  return [...found];
}
