// Media: images, and what is made of them.
import { file_ordermesh_media_events_v1_media_events } from "#gen/ordermesh/media/events/v1/media_events_pb.ts";
import { MediaService } from "#gen/ordermesh/media/v1/media_service_pb.ts";
import { ProductImagesService } from "#gen/ordermesh/media/v1/product_images_service_pb.ts";
import type { ServiceDefinition } from "#runtime/service.ts";
import { productImagesHears } from "./consumers/product-images.ts";
import { userImagesHears } from "./consumers/user-images.ts";
import { eraseFiles } from "./due.ts";
import { openMedia } from "./provider/settings.ts";
import { mediaRoutes } from "./rpc/routes.ts";
import { mediaData } from "./store/personal-data.ts";
import type { MediaTables } from "./store/tables.ts";
import { sweepTask } from "./tasks/sweep.ts";

export const media: ServiceDefinition<MediaTables> = {
  name: "media",
  services: [MediaService, ProductImagesService],
  emits: [file_ordermesh_media_events_v1_media_events],
  migrations: new URL("./migrations/", import.meta.url),
  create: (runtime) => {
    const opened = openMedia(runtime.env);
    return {
      routes: mediaRoutes(runtime, opened),
      hears: [...userImagesHears(runtime, opened), productImagesHears(runtime, opened)],
      dueWork: [eraseFiles(opened)],
      tasks: [sweepTask(runtime, opened)],
      personalData: mediaData(runtime.db),
    };
  },
};
