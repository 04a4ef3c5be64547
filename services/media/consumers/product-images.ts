// Makes the smaller sizes of products' images.
import { ProductImageReadySchema, ProductImageUploadedSchema } from "#gen/ordermesh/media/events/v1/media_events_pb.ts";
import { hear, type Hearing, type ReceivedEvent } from "#runtime/events/hearing.ts";
import { appendEvents } from "#runtime/events/outbox.ts";
import { outgoing, requestCause } from "#runtime/events/outgoing.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { productImageName, productImagePath, variantName, type ProductImageKey } from "../domain/names.ts";
import { pictureTypes, variantSizes } from "../domain/variants.ts";
import type { Media } from "../provider/settings.ts";
import { currentProductImages, saveSizes } from "../store/product-images.ts";
import type { MediaTables } from "../store/tables.ts";
import { forEachAtOnce } from "./at-once.ts";

type Uploaded = ReceivedEvent<{ productId: string; contentHash: string }>;

interface Picture extends ProductImageKey {
  width: number;
  height: number;
}

export function productImagesHears({ db, clock }: Pick<ServiceRuntime<MediaTables>, "db" | "clock">, media: Media): Hearing {
  /** What the events were found to be about, of those whose sizes stand. */
  const made = new WeakMap<object, Picture>();
  return hear<typeof ProductImageUploadedSchema, MediaTables>({
    name: "media.product_sizes",
    event: ProductImageUploadedSchema,
    prepare: async (events) => {
      const found = await currentProductImages(db, events.map(keyOf));
      const current = new Map(found.map((image) => [productImageName(image), image]));
      const left = found.filter(({ sizes }) => sizes.length === 0);
      // These take seconds: whoever waits for the end of an upload finds a place.
      await forEachAtOnce(left, Math.max(1, media.pictures.atOnce - 1), (image) => makeVariants(media, image));
      for (const event of events) {
        const image = current.get(productImageName(keyOf(event)));
        if (image) made.set(event, image);
      }
    },
    handle: async (tx, events) => {
      // Not those whose image came back after we had looked.
      const pictures = events.flatMap((event) => made.get(event) ?? []);
      const saved = await saveSizes(
        tx,
        pictures.map((picture) => ({ ...picture, sizes: variantSizes(picture) })),
      );
      const causes = new Map(events.map((event) => [event.key, event.cause]));
      const time = clock.now();
      const ready = saved.map(({ tenant, productId, contentHash, width, height, sizes, eventsSent: sequence }) => {
        const message = { productId, contentHash, imagePath: productImagePath(productId), width, height, sizes };
        return outgoing(ProductImageReadySchema, message, {
          tenant,
          sequence,
          time,
          cause: causes.get(productId) ?? requestCause(),
        });
      });
      await appendEvents(tx, ready);
    },
  });
}

const keyOf = ({ tenant, message }: Uploaded): ProductImageKey => ({
  tenant,
  productId: message.productId,
  contentHash: message.contentHash,
});

/** The name of each says what it holds, so that once more is the same file; what an earlier try has made is taken as it is. */
async function makeVariants({ store, spool, pictures }: Media, image: Picture): Promise<void> {
  await store.withPath(productImageName(image), async (from) => {
    for (const size of variantSizes(image)) {
      for (const type of pictureTypes) {
        const name = variantName(image, { size, type });
        if (await store.open(name)) continue;
        await spool.using(async (to) => {
          await pictures.fit(from, to, { size, type });
          await store.put(name, to);
        });
      }
    }
  });
}
