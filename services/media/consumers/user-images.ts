// Makes the thumbnails of users' images, and forgets whoever is erased.
import { CustomerErasedSchema } from "#gen/ordermesh/customers/events/v1/customers_events_pb.ts";
import { ImageUploadedSchema, ThumbnailCreatedSchema } from "#gen/ordermesh/media/events/v1/media_events_pb.ts";
import { hear, type Hearing } from "#runtime/events/hearing.ts";
import { appendEvents } from "#runtime/events/outbox.ts";
import { outgoing, requestCause, type Cause } from "#runtime/events/outgoing.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { imageName, thumbnailName, thumbnailPath, thumbnailSize, type ImageKey } from "../domain/names.ts";
import { planErasure } from "../events/erase-files.ts";
import type { Media } from "../provider/settings.ts";
import { eraseUser } from "../store/personal-data.ts";
import type { MediaTables } from "../store/tables.ts";
import { currentImages, erasedUsers, saveThumbnails } from "../store/user-images.ts";
import { forEachAtOnce } from "./at-once.ts";

/** While some pictures are made, others are flushed to the disk. */
const workersPerPicture = 3;

export function userImagesHears({ db, clock }: Pick<ServiceRuntime<MediaTables>, "db" | "clock">, media: Media): Hearing[] {
  /** Events about images that are their users' now and whose thumbnails stand. */
  const made = new WeakSet<object>();
  return [
    hear<typeof ImageUploadedSchema, MediaTables>({
      name: "media.thumbnail",
      event: ImageUploadedSchema,
      prepare: async (events) => {
        const current = await currentImages(db, events.map(keyOf));
        const left = current.filter(({ hasThumbnail }) => !hasThumbnail);
        await forEachAtOnce(left, media.pictures.atOnce * workersPerPicture, (key) => makeThumbnail(media, key));
        const names = new Set(current.map(imageName));
        for (const event of events) if (names.has(imageName(keyOf(event)))) made.add(event);
      },
      handle: async (tx, events) => {
        const keys = events.map(keyOf);
        // Not those whose image came back after we had looked: there is no thumbnail of them yet.
        const saved = await saveThumbnails(tx, events.filter((event) => made.has(event)).map(keyOf));
        const causes = new Map(events.map((event) => [event.key, event.cause]));
        const causeOf = (userId: string): Cause => causes.get(userId) ?? requestCause();
        const time = clock.now();
        const created = saved.map(({ tenant, userId, contentHash, eventsSent: sequence }) => {
          const message = { userId, contentHash, thumbnailPath: thumbnailPath(userId) };
          return outgoing(ThumbnailCreatedSchema, message, { tenant, sequence, time, cause: causeOf(userId) });
        });
        await appendEvents(tx, created);
        // Of who was erased while it was made, it goes the way of the others.
        if (saved.length === keys.length) return;
        for (const user of await erasedUsers(tx, keys)) await planErasure(tx, user, causeOf(user.userId));
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

const keyOf = ({ tenant, message }: { tenant: string; message: { userId: string; contentHash: string } }): ImageKey => ({
  tenant,
  userId: message.userId,
  contentHash: message.contentHash,
});

/** Its name says what it holds, so that one more is the same file. */
async function makeThumbnail({ store, spool, pictures }: Media, key: ImageKey): Promise<void> {
  await store.withPath(imageName(key), (from) =>
    spool.using(async (to) => {
      await pictures.square(from, to, thumbnailSize);
      await store.put(thumbnailName(key), to);
    }),
  );
}
