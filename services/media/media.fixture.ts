// Media on a database and in a folder of its own, and images to send.
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, type Client } from "@connectrpc/connect";
import sharp from "sharp";
import { CatalogService } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { MediaService, type UploadUserImageRequestSchema, type UserImage } from "#gen/ordermesh/media/v1/media_service_pb.ts";
import {
  ProductImagesService,
  type ProductImage,
  type UploadProductImageRequestSchema,
} from "#gen/ordermesh/media/v1/product_images_service_pb.ts";
import { refuse } from "#runtime/errors.ts";
import { serviceFixture, type ServiceFixture } from "../../test/support/service-fixture.ts";
import { media as definition } from "./main.ts";
import type { MediaTables } from "./store/tables.ts";

export interface MediaFixture extends ServiceFixture<MediaTables> {
  media: Client<typeof MediaService>;
  products: Client<typeof ProductImagesService>;
  folder: string;
  /** All files of the folder, by their paths in it. */
  files(): Promise<string[]>;
}

/** The one product that the catalogue of the fixture does not have. */
export const unknownProduct = "prod_unknown";

export async function mediaFixture(env: Record<string, string> = {}): Promise<MediaFixture> {
  const folder = await mkdtemp(join(tmpdir(), "ordermesh-media-"));
  const fixture = await serviceFixture(definition, {
    as: "operator",
    env: { ORDERMESH_MEDIA_DIR: folder, ...env },
    others: (router) =>
      router.service(CatalogService, {
        getProduct: ({ productId }) => {
          if (productId === unknownProduct) throw refuse(Code.NotFound, "PRODUCT_NOT_FOUND", "there is none");
          return { product: { productId } };
        },
      }),
  });
  return {
    ...fixture,
    media: fixture.client(MediaService),
    products: fixture.client(ProductImagesService),
    folder,
    files: () => filesIn(folder),
    close: async () => {
      await fixture.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .toSorted();
}

/** A JPEG of noise in one colour, so that two of different colours are different files. */
export const jpeg = (width: number, height: number, background = "#336699"): Promise<Buffer> =>
  sharp({ create: { width, height, channels: 3, background } })
    .jpeg()
    .toBuffer();

export type UploadPart = MessageInitShape<typeof UploadUserImageRequestSchema>;

// oxlint-disable-next-line typescript/require-await -- an AsyncIterable is what Connect takes
export async function* parts(userId: string, bytes: Uint8Array, size = 50_000): AsyncGenerator<UploadPart> {
  yield { userId };
  for (let start = 0; start < bytes.length; start += size) yield { image: { data: bytes.slice(start, start + size) } };
}

export async function upload(media: Client<typeof MediaService>, userId: string, bytes: Uint8Array): Promise<UserImage> {
  const { image } = await media.uploadUserImage(parts(userId, bytes));
  if (!image) throw new Error("no image in the answer");
  return image;
}

export type ProductUploadPart = MessageInitShape<typeof UploadProductImageRequestSchema>;

export async function uploadProduct(
  products: Client<typeof ProductImagesService>,
  productId: string,
  bytes: Uint8Array,
): Promise<ProductImage> {
  // oxlint-disable-next-line typescript/require-await -- an AsyncIterable is what Connect takes
  async function* sending(): AsyncGenerator<ProductUploadPart> {
    yield { productId };
    yield { image: { data: bytes } };
  }
  const { image } = await products.uploadProductImage(sending());
  if (!image) throw new Error("no image in the answer");
  return image;
}

/** All bytes of a download. */
export async function bytesOf(stream: AsyncIterable<{ content?: { data: Uint8Array } | undefined }>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const { content } of stream) if (content) chunks.push(content.data);
  return Buffer.concat(chunks);
}
