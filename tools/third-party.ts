// Lays out the .proto files that our contracts import under third_party/, from installed npm packages.
// They are not ours, so no copy is committed; buf reads them there, offline.
import { copyFile, mkdir, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { file_buf_validate_validate } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { printProto } from "./print-proto.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const target = join(root, "third_party");
const require = createRequire(import.meta.url);

const packageFolder = (name: string): string => dirname(require.resolve(`${name}/package.json`));

const copies: readonly { from: string; files: Record<string, string> }[] = [
  {
    from: packageFolder("google-proto-files"),
    files: {
      "google/api/annotations.proto": "google/api/annotations.proto",
      "google/api/http.proto": "google/api/http.proto",
      "google/api/httpbody.proto": "google/api/httpbody.proto",
      "google/rpc/code.proto": "google/rpc/code.proto",
      "google/rpc/error_details.proto": "google/rpc/error_details.proto",
      "google/rpc/status.proto": "google/rpc/status.proto",
    },
  },
  { from: packageFolder("grpc-health-check"), files: { "proto/health/v1/health.proto": "grpc/health/v1/health.proto" } },
  {
    from: packageFolder("@grpc/reflection"),
    files: {
      "build/proto/grpc/reflection/v1/reflection.proto": "grpc/reflection/v1/reflection.proto",
      "build/proto/grpc/reflection/v1alpha/reflection.proto": "grpc/reflection/v1alpha/reflection.proto",
    },
  },
];

export async function layOutThirdParty(): Promise<void> {
  await rm(target, { recursive: true, force: true });
  for (const { from, files } of copies) {
    for (const [source, name] of Object.entries(files)) {
      await mkdir(dirname(join(target, name)), { recursive: true });
      await copyFile(join(from, source), join(target, name));
    }
  }
  // No npm package ships this one as text; the descriptor inside protovalidate is the same contract.
  await mkdir(join(target, "buf/validate"), { recursive: true });
  await writeFile(join(target, "buf/validate/validate.proto"), printProto(file_buf_validate_validate));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await layOutThirdParty();
