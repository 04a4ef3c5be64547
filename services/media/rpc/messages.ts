// Images as the contract's messages.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { UserImageSchema } from "#gen/ordermesh/media/v1/media_service_pb.ts";
import type { ProductImageSchema } from "#gen/ordermesh/media/v1/product_images_service_pb.ts";
import { imagePath, productImagePath, thumbnailPath } from "../domain/names.ts";
import type { ProductImage } from "../store/product-images.ts";
import type { UserImage } from "../store/user-images.ts";

export function imageMessage(image: UserImage): MessageInitShape<typeof UserImageSchema> {
  const { userId, contentHash, width, height, bytes, hasThumbnail, uploadTime } = image;
  return {
    userId,
    contentHash,
    width,
    height,
    bytes: BigInt(bytes),
    imagePath: imagePath(userId),
    thumbnailPath: hasThumbnail ? thumbnailPath(userId) : "",
    uploadTime: timestampFromDate(uploadTime),
  };
}

export function productImageMessage(image: ProductImage): MessageInitShape<typeof ProductImageSchema> {
  const { productId, contentHash, width, height, bytes, sizes, uploadTime } = image;
  return {
    productId,
    contentHash,
    width,
    height,
    bytes: BigInt(bytes),
    imagePath: productImagePath(productId),
    sizes,
    uploadTime: timestampFromDate(uploadTime),
  };
}
