// Images of products: stored for those whom the catalogue knows, shown to everybody who may read it.
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { CatalogService } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { ProductImageUploadedSchema } from "#gen/ordermesh/media/events/v1/media_events_pb.ts";
import {
  ProductImageSchema,
  type GetProductImageRequest,
  type ProductImagesService,
} from "#gen/ordermesh/media/v1/product_images_service_pb.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { appendEvents } from "#runtime/events/outbox.ts";
import { outgoing, requestCause } from "#runtime/events/outgoing.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { bestType } from "../domain/accept.ts";
import { productImageName, variantName, type ProductImageKey } from "../domain/names.ts";
import { nearestSize, type PictureType } from "../domain/variants.ts";
import type { Picture } from "../provider/pictures.ts";
import type { Media } from "../provider/settings.ts";
import { lockOwner } from "../store/owners.ts";
import { readProductImage, saveProductImage, type ProductImage } from "../store/product-images.ts";
import type { MediaTables } from "../store/tables.ts";
import { download } from "./download.ts";
import { productImageMessage } from "./messages.ts";
import { productIdRequired, productImageNotFound, productNotFound } from "./refusals.ts";
import { namedOnce, storeImage } from "./store-image.ts";

type Deps = Pick<ServiceRuntime<MediaTables>, "db" | "transaction" | "clock" | "client">;

export function productImagesMethods(deps: Deps, media: Media): ServiceImpl<typeof ProductImagesService> {
  const { db } = deps;
  const catalog = deps.client(CatalogService);

  async function assertKnown(productId: string): Promise<void> {
    try {
      await catalog.getProduct({ productId });
    } catch (error) {
      if (ConnectError.from(error).code === Code.NotFound) throw productNotFound(productId);
      throw error;
    }
  }

  return {
    async uploadProductImage(parts, { signal }) {
      const product = namedOnce(productIdRequired);
      const image = await storeImage(media, {
        parts,
        signal,
        onPart: ({ productId }) => product.note(productId),
        placeOf: async (contentHash) => {
          const productId = product.id();
          await assertKnown(productId);
          const key = { tenant: currentRequest().tenant, productId, contentHash };
          return {
            name: productImageName(key),
            known: async () => {
              const image = await readProductImage(db, key);
              return image?.contentHash === contentHash ? image : undefined;
            },
            save: (picture) => save(deps, key, picture),
            isForbidden: () => Promise.resolve(false),
          };
        },
      });
      return { image: productImageMessage(image) };
    },

    async *getProductImage({ productId, size, ...range }: GetProductImageRequest, { requestHeader }) {
      const image = await readProductImage(db, { tenant: currentRequest().tenant, productId });
      if (!image) throw productImageNotFound(productId);
      yield* download(media.store, { ...range, ...fileOf(image, size, requestHeader.get("accept")) });
    },
  };
}

/** The whole where no size is asked for, and as long as there is none. */
function fileOf(
  image: ProductImage,
  wanted: number,
  accept: string | null,
): { name: string; contentType: PictureType; etag: string } {
  const size = wanted === 0 ? undefined : nearestSize(image.sizes, wanted);
  if (size === undefined) {
    return { name: productImageName(image), contentType: "image/jpeg", etag: `"${image.contentHash}"` };
  }
  const type = bestType(accept);
  const etag = `"${image.contentHash}-${size}-${type.replace("image/", "")}"`;
  return { name: variantName(image, { size, type }), contentType: type, etag };
}

function save({ transaction, clock }: Deps, key: ProductImageKey, picture: Picture): Promise<ProductImage> {
  return transaction(async (tx) => {
    await lockOwner(tx, { tenant: key.tenant, kind: "products", id: key.productId });
    const before = await readProductImage(tx, key);
    // Somebody was faster with the same.
    if (before?.contentHash === key.contentHash) return before;
    const eventsSent = (before?.eventsSent ?? 0) + 1;
    const image = { ...key, ...picture, sizes: [], eventsSent, uploadTime: clock.now() };
    await saveProductImage(tx, image);
    await appendEvents(tx, [imageUploaded(image)]);
    await recordChange(tx, {
      resource: { kind: "product_image", id: key.productId },
      ...(before && { before: shown(ProductImageSchema, productImageMessage(before)) }),
      after: shown(ProductImageSchema, productImageMessage(image)),
    });
    return image;
  });
}

function imageUploaded({ tenant, productId, contentHash, width, height, bytes, eventsSent, uploadTime }: ProductImage) {
  const message = { productId, contentHash, width, height, bytes: BigInt(bytes), uploadTime: timestampFromDate(uploadTime) };
  const about = { tenant, sequence: eventsSent, time: uploadTime, cause: requestCause() };
  return outgoing(ProductImageUploadedSchema, message, about);
}
