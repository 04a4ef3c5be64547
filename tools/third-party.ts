// Lays out the .proto files that our contracts import under third_party/, from installed npm packages.
// They are not ours, so no copy is committed; buf reads them there, offline.
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { file_buf_validate_validate } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { isProgram, root } from "./command.ts";
import { printProto } from "./print-proto.ts";

const target = join(root, "third_party");
const require = createRequire(import.meta.url);

const packageFolder = (name: string): string => dirname(require.resolve(`${name}/package.json`));

const copies: readonly { from: string; files: Record<string, string> }[] = [
  {
    from: "google-proto-files",
    files: {
      "google/api/annotations.proto": "google/api/annotations.proto",
      "google/api/http.proto": "google/api/http.proto",
      "google/api/httpbody.proto": "google/api/httpbody.proto",
      "google/rpc/code.proto": "google/rpc/code.proto",
      "google/rpc/error_details.proto": "google/rpc/error_details.proto",
      "google/rpc/status.proto": "google/rpc/status.proto",
    },
  },
  { from: "grpc-health-check", files: { "proto/health/v1/health.proto": "grpc/health/v1/health.proto" } },
  {
    from: "@grpc/reflection",
    files: {
      "build/proto/grpc/reflection/v1/reflection.proto": "grpc/reflection/v1/reflection.proto",
      "build/proto/grpc/reflection/v1alpha/reflection.proto": "grpc/reflection/v1alpha/reflection.proto",
    },
  },
];

async function wantedFiles(): Promise<Map<string, string>> {
  const wanted = new Map<string, string>();
  for (const { from, files } of copies) {
    for (const [source, name] of Object.entries(files))
      wanted.set(name, await readFile(join(packageFolder(from), source), "utf8"));
  }
  // No npm package ships this one as text; the descriptor inside protovalidate is the same contract.
  wanted.set("buf/validate/validate.proto", printProto(file_buf_validate_validate));
  return wanted;
}

async function presentFiles(): Promise<string[]> {
  const entries = await readdir(target, { recursive: true, withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  return entries.filter((entry) => entry.isFile()).map((entry) => relative(target, join(entry.parentPath, entry.name)));
}

// Only what differs is touched: a check, a test and a generation may read the folder at the same time.
export async function layOutThirdParty(): Promise<void> {
  const wanted = await wantedFiles();
  const present = new Set(await presentFiles());
  for (const name of present) {
    if (!wanted.has(name)) await rm(join(target, name));
  }
  for (const [name, content] of wanted) {
    const path = join(target, name);
    if (present.has(name) && (await readFile(path, "utf8")) === content) continue;
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content);
  }
}

if (isProgram(import.meta.url)) await layOutThirdParty();
