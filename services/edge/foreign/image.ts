// Contracts from a file: an image of buf, or a FileDescriptorSet, which is the same as far as we read it.
import { readFile } from "node:fs/promises";
import {
  createFileRegistry,
  fromBinary,
  hasOption,
  type DescFile,
  type DescService,
  type FileRegistry,
} from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { http } from "#gen/google/api/annotations_pb.ts";
import { StartupError } from "#runtime/backing/startup-error.ts";

export interface Image {
  /** Those to serve. */
  services: DescService[];
  /** All that the image has, so that whatever type an answer names can be printed. */
  files: DescFile[];
}

const howToBuild = "Make it by `buf build -o image.binpb`, or by `protoc --include_imports --descriptor_set_out=image.binpb`";

/**
 * @param names Full names of services; all with HTTP rules where it is empty, but those of files that are only imported.
 * @throws StartupError
 */
export async function readImage(path: string, names: readonly string[]): Promise<Image> {
  const registry = parseImage(path, await readBytes(path));
  const files = [...registry.files];
  const all = files.flatMap((file) => file.services);
  const services = names.length > 0 ? names.map((name) => serviceNamed(path, name, all)) : all.filter(isOwn).filter(hasRules);
  if (services.length > 0) return { services, files };
  const found = all.length === 0 ? "no service" : `services (${shown(all)}), but no HTTP rule`;
  throw new StartupError(
    `${path} has ${found}. Give the methods a google.api.http option, or name with --service a service of an imported file.`,
  );
}

async function readBytes(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "does not exist" : `cannot be read (${code})`;
    throw new StartupError(`The file ${path} ${why}. ${howToBuild}.`);
  }
}

function parseImage(path: string, bytes: Uint8Array): FileRegistry {
  try {
    const set = fromBinary(FileDescriptorSetSchema, bytes);
    // Any bytes may look like a message whose fields nobody knows.
    if (set.file.length > 0) return createFileRegistry(set);
  } catch (error) {
    const why = error instanceof Error ? error.message : "unknown";
    throw new StartupError(`${path} is not a whole image (${why}). ${howToBuild}.`);
  }
  throw new StartupError(`${path} is not an image: there is no contract in it. ${howToBuild}.`);
}

function serviceNamed(path: string, name: string, all: readonly DescService[]): DescService {
  const service = all.find(({ typeName }) => typeName === name);
  if (!service) throw new StartupError(`${path} has no service ${name}; it has ${shown(all) || "none"}.`);
  if (hasRules(service)) return service;
  throw new StartupError(`No method of ${name} has a google.api.http option, so that there is nothing to serve.`);
}

const shown = (services: readonly DescService[]): string => services.map(({ typeName }) => typeName).join(", ");

const hasRules = (service: DescService): boolean => service.methods.some((method) => hasOption(method, http));

/** buf.alpha.image.v1.ImageFile.buf_extension, and is_import in it. */
const bufExtension = 8042;
const isImportField = 1;

/** False for files that buf has only because others import them: their services are somebody else's. */
function isOwn({ file: { proto } }: DescService): boolean {
  const extension = proto.$unknown?.find(({ no }) => no === bufExtension);
  if (!extension || extension.wireType !== WireType.LengthDelimited) return true;
  const reader = new BinaryReader(new BinaryReader(extension.data).bytes());
  while (reader.pos < reader.len) {
    const [no, wireType] = reader.tag();
    if (no === isImportField && wireType === WireType.Varint) return !reader.bool();
    reader.skip(wireType, no);
  }
  return true;
}
