// Makes the thumbnails of images that were uploaded, and forgets whoever is erased.
import { buffer } from "node:stream/consumers";
import { CustomerErasedSchema } from "#gen/ordermesh/customers/events/v1/customers_events_pb.ts";
import { ImageUploadedSchema, ThumbnailCreatedSchema } from "#gen/ordermesh/media/events/v1/media_events_pb.ts";
import { hear, type Hearing } from "#runtime/events/hearing.ts";
import { appendEvents } from "#runtime/events/outbox.ts";
import { outgoing } from "#runtime/events/outgoing.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { imageName, thumbnailName, thumbnailPath, thumbnailSize, type ImageKey } from "./domain/names.ts";
import { planErasure } from "./events/erase-files.ts";
import type { Media } from "./provider/settings.ts";
import { eraseUser } from "./store/personal-data.ts";
import type { MediaTables } from "./store/tables.ts";
import { isErased, readImage, saveThumbnail } from "./store/user-images.ts";

export function mediaHears({ db, clock }: Pick<ServiceRuntime<MediaTables>, "db" | "clock">, media: Media): Hearing[] {
  return [
    hear<typeof ImageUploadedSchema, MediaTables>({
      name: "media.thumbnail",
      event: ImageUploadedSchema,
      prepare: async (events) => {
        const made = events.map(({ tenant, message }) => makeThumbnail(db, media, { ...message, tenant }));
        await Promise.all(made);
      },
      handle: async (tx, events) => {
        for (const { tenant, message, cause } of events) {
          const { userId, contentHash } = message;
          const key = { tenant, userId, contentHash };
          const sequence = await saveThumbnail(tx, key);
          if (sequence === undefined) {
            // Erased while it was made: it goes the way of the others.
            if (await isErased(tx, key)) await planErasure(tx, key, cause);
            continue;
          }
          const created = { userId, contentHash, thumbnailPath: thumbnailPath(userId) };
          await appendEvents(tx, [outgoing(ThumbnailCreatedSchema, created, { tenant, sequence, time: clock.now(), cause })]);
        }
      },
    }),
    hear<typeof CustomerErasedSchema, MediaTables>({
      name: "media.erase",
      event: CustomerErasedSchema,
      handle: async (tx, events) => {
        for (const { tenant, message, cause } of events) {
          const user = { tenant, userId: message.customerId };
          await eraseUser(tx, user);
          await planErasure(tx, user, cause);
        }
      },
    }),
  ];
}

/** Its name says what it holds, so that one more is the same file. An image that has been replaced needs none. */
async function makeThumbnail(db: ServiceRuntime<MediaTables>["db"], media: Media, key: ImageKey): Promise<void> {
  const { store, spool, pictures } = media;
  const image = await readImage(db, key);
  if (image?.contentHash !== key.contentHash || image.hasThumbnail) return;
  const file = await store.open(imageName(key));
  if (!file) throw new Error(`${imageName(key)} is not in the store, although its row is there`);
  const read = () => buffer(file.chunks({ start: 0, end: file.size }));
  await spool.using(async (path) => {
    await pictures.square(read, path, thumbnailSize);
    await store.put(thumbnailName(key), path);
  });
}
