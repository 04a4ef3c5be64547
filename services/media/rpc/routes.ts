// What media offers to callers.
import type { ConnectRouter } from "@connectrpc/connect";
import {
  MediaService,
  type GetUserImageRequest,
  type GetUserThumbnailRequest,
} from "#gen/ordermesh/media/v1/media_service_pb.ts";
import { ProductImagesService } from "#gen/ordermesh/media/v1/product_images_service_pb.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { imageName, thumbnailName } from "../domain/names.ts";
import type { Media } from "../provider/settings.ts";
import type { MediaTables } from "../store/tables.ts";
import { readImage, type UserImage } from "../store/user-images.ts";
import { download } from "./download.ts";
import { imageNotFound, thumbnailNotReady } from "./refusals.ts";
import { productImagesMethods } from "./product-images.ts";
import { uploadOf } from "./upload-user-image.ts";

const contentType = "image/jpeg";

export function mediaRoutes(runtime: ServiceRuntime<MediaTables>, media: Media): (router: ConnectRouter) => void {
  const { store } = media;
  const imageOf = async (userId: string): Promise<UserImage> => {
    const image = await readImage(runtime.db, { tenant: currentRequest().tenant, userId });
    if (!image) throw imageNotFound(userId);
    return image;
  };
  return (router) => {
    router.service(ProductImagesService, productImagesMethods(runtime, media));
    router.service(MediaService, {
      uploadUserImage: uploadOf(runtime, media),

      async *getUserImage({ userId, ...range }: GetUserImageRequest) {
        const image = await imageOf(userId);
        yield* download(store, { ...range, name: imageName(image), contentType, etag: `"${image.contentHash}"` });
      },

      async *getUserThumbnail({ userId, ...range }: GetUserThumbnailRequest) {
        const image = await imageOf(userId);
        if (!image.hasThumbnail) throw thumbnailNotReady(userId);
        yield* download(store, { ...range, name: thumbnailName(image), contentType, etag: `"${image.contentHash}"` });
      },
    });
  };
}
