// Hears what products look like.
import { ProductImageReadySchema } from "#gen/ordermesh/media/events/v1/media_events_pb.ts";
import { hear, type Hearing } from "#runtime/events/hearing.ts";
import { saveImages } from "./store/images.ts";
import type { CatalogTables } from "./store/tables.ts";

export function catalogHears(): Hearing[] {
  return [
    hear<typeof ProductImageReadySchema, CatalogTables>({
      name: "catalog.image",
      event: ProductImageReadySchema,
      handle: async (tx, events) => {
        const last = new Map(events.map((event) => [event.key, event]));
        const images = [...last.values()].map(({ tenant, key: productId, message }) => {
          const { imagePath: path, contentHash, width, height, sizes } = message;
          return { tenant, productId, image: { path, contentHash, width, height, sizes } };
        });
        await saveImages(tx, images);
      },
    }),
  ];
}
