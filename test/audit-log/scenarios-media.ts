// The same for media.
import { MediaService } from "#gen/ordermesh/media/v1/media_service_pb.ts";
import { ProductImagesService } from "#gen/ordermesh/media/v1/product_images_service_pb.ts";
import { jpeg, mediaFixture, upload, uploadProduct } from "../../services/media/media.fixture.ts";
import { subjects } from "./callers.ts";
import { worldOf, type Scenario } from "./scenarios.ts";

export const mediaScenarios: readonly Scenario[] = [
  {
    method: "ordermesh.media.v1.MediaService/UploadUserImage",
    resourceKind: "user_image",
    prepare: async () => {
      const world = worldOf(await mediaFixture());
      const bytes = await jpeg(20, 20);
      return {
        ...world,
        change: async () => (await upload(world.client(MediaService), subjects.customer, bytes)).userId,
      };
    },
  },
  {
    method: "ordermesh.media.v1.ProductImagesService/UploadProductImage",
    resourceKind: "product_image",
    prepare: async () => {
      const world = worldOf(await mediaFixture());
      const bytes = await jpeg(20, 20);
      return {
        ...world,
        change: async () => (await uploadProduct(world.client(ProductImagesService), "prod_1", bytes)).productId,
      };
    },
  },
];
