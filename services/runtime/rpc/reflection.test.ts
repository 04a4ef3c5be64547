import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ServerReflection } from "#gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "#gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { addReflection } from "./reflection.ts";
import { catalogRoutes, serveTest, services, type TestServer } from "./testing.fixture.ts";

const buf = new URL("../../../node_modules/.bin/buf", import.meta.url).pathname;
const run = promisify(execFile);
let server: TestServer;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ordermesh-reflection-"));
  server = await serveTest({
    routes: (router) => {
      catalogRoutes({ getProduct: ({ productId }) => ({ product: { productId, title: "Wool sweater" } }) })(router);
      addReflection(router, services);
    },
  });
});
afterAll(async () => {
  await server.close(0);
  await rm(folder, { recursive: true });
});

test.each([
  { protocol: "grpc", reflection: "grpc-v1" },
  { protocol: "grpc", reflection: "grpc-v1alpha" },
  { protocol: "grpcweb", reflection: "grpc-v1" },
  { protocol: "connect", reflection: "grpc-v1" },
])("buf curl needs no schema: $protocol, $reflection", async ({ protocol, reflection }) => {
  // In an empty folder, so that buf finds no module of ours and has to ask the server.
  const { stdout } = await run(
    buf,
    [
      "curl",
      "--http2-prior-knowledge",
      `--protocol=${protocol}`,
      `--reflect-protocol=${reflection}`,
      '--data={"product_id":"prod_1"}',
      `${server.url}/ordermesh.catalog.v1.CatalogService/GetProduct`,
    ],
    { cwd: folder },
  );
  expect(JSON.parse(stdout)).toEqual({ product: { productId: "prod_1", title: "Wool sweater" } });
});

const versions = [
  {
    version: "v1",
    ask: (request: Question) => answerTo(createClient(ServerReflection, transport()).serverReflectionInfo(one(request))),
  },
  {
    version: "v1alpha",
    ask: (request: Question) => answerTo(createClient(ServerReflectionAlpha, transport()).serverReflectionInfo(one(request))),
  },
];
type Question =
  | { case: "listServices" | "fileByFilename" | "fileContainingSymbol" | "allExtensionNumbersOfType"; value: string }
  | { case: "fileContainingExtension"; value: { containingType: string; extensionNumber: number } }
  | { case: undefined };
const transport = () => createGrpcTransport({ baseUrl: server.url });
async function* one(messageRequest: Question) {
  yield { messageRequest };
}

async function answerTo<Answer>(stream: AsyncIterable<{ messageResponse: Answer }>): Promise<Answer | undefined> {
  const answers = await Array.fromAsync(stream);
  return answers[0]?.messageResponse;
}

test.each(versions)("$version lists every service", async ({ ask }) => {
  expect(await ask({ case: "listServices", value: "" })).toMatchObject({
    value: {
      service: [
        { name: "ordermesh.catalog.v1.CatalogService" },
        { name: "grpc.reflection.v1.ServerReflection" },
        { name: "grpc.reflection.v1alpha.ServerReflection" },
      ],
    },
  });
});

test.each(versions)("$version finds a file by name, symbol, member and extension, with all that it imports", async ({ ask }) => {
  const questions: Question[] = [
    { case: "fileByFilename", value: "ordermesh/catalog/v1/catalog_service.proto" },
    { case: "fileContainingSymbol", value: "ordermesh.catalog.v1.CatalogService" },
    { case: "fileContainingSymbol", value: "ordermesh.catalog.v1.CatalogService.GetProduct" },
    { case: "fileContainingSymbol", value: "ordermesh.catalog.v1.GetProductRequest.product_id" },
    { case: "fileContainingExtension", value: { containingType: "google.protobuf.MethodOptions", extensionNumber: 50101 } },
  ];
  for (const question of questions) {
    const answer = await ask(question);
    if (answer?.case !== "fileDescriptorResponse") throw new Error(`no file: ${JSON.stringify(answer)}`);
    const files = answer.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
    const names = files.map((file) => file.name);
    for (const file of files) expect(names).toEqual(expect.arrayContaining(file.dependency));
  }
});

test.each(versions)("$version lists the extensions of a type", async ({ ask }) => {
  const answer = await ask({ case: "allExtensionNumbersOfType", value: "google.protobuf.MethodOptions" });
  expect(answer).toMatchObject({ value: { extensionNumber: expect.arrayContaining([50101, 72295728]) } });
});

test.each<Question>([
  { case: "fileByFilename", value: "no/such.proto" },
  { case: "fileContainingSymbol", value: "no.such.Symbol" },
  { case: "allExtensionNumbersOfType", value: "no.such.Type" },
  { case: "fileContainingExtension", value: { containingType: "no.such.Type", extensionNumber: 1 } },
])("what is not there is answered, and does not end the stream: $case", async (question) => {
  for (const { ask } of versions) expect(await ask(question)).toMatchObject({ case: "errorResponse", value: { errorCode: 5 } });
});
