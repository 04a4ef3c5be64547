// UploadUserImage: the file first, the row after it. A repeat finds the row and changes nothing.
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import { ImageUploadedSchema } from "#gen/ordermesh/media/events/v1/media_events_pb.ts";
import { UserImageSchema, type MediaService, type UploadUserImageRequest } from "#gen/ordermesh/media/v1/media_service_pb.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { appendEvents } from "#runtime/events/outbox.ts";
import { outgoing, requestCause } from "#runtime/events/outgoing.ts";
import { crashPoint } from "#runtime/faults.ts";
import { currentRequest } from "#runtime/request-context.ts";
import { cutBy } from "#runtime/rpc/streams.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { imageName, type ImageKey } from "../domain/names.ts";
import { PictureDamaged, type Picture } from "../provider/pictures.ts";
import type { Media } from "../provider/settings.ts";
import type { MediaTables, UserKey } from "../store/tables.ts";
import { isErased, lockUser, readImage, saveImage, type UserImage } from "../store/user-images.ts";
import { imageMessage } from "./messages.ts";
import { receiveImage } from "./receive-image.ts";
import { assertOwn, customerErased, imageRefused, userIdRequired } from "./refusals.ts";

type Deps = Pick<ServiceRuntime<MediaTables>, "db" | "transaction" | "clock">;

export const uploadOf =
  (deps: Deps, { store, spool, pictures, limits }: Media): ServiceImpl<typeof MediaService>["uploadUserImage"] =>
  (parts, { signal }) =>
    spool.using(async (path) => {
      const owner = ownerOf();
      const { contentHash } = await receiveImage(
        cutBy(signal, parts, () => {}),
        { path, limits, onPart: owner.note },
      );
      const user = { tenant: currentRequest().tenant, userId: owner.userId() };
      await assertNotErased(deps, user);
      const known = await readImage(deps.db, user);
      if (known?.contentHash === contentHash) return { image: imageMessage(known) };
      const key = { ...user, contentHash };
      return spool.using(async (cleanPath) => {
        const picture = await cleaned(() => pictures.clean(path, cleanPath));
        await store.put(imageName(key), cleanPath);
        crashPoint("media.upload", "after_provider");
        try {
          return { image: imageMessage(await save(deps, key, picture)) };
        } catch (error) {
          if (await isErased(deps.db, user)) await store.remove([imageName(key)]);
          throw error;
        }
      });

      async function cleaned(work: () => Promise<Picture>): Promise<Picture> {
        try {
          return await work();
        } catch (error) {
          if (error instanceof PictureDamaged) throw imageRefused("MALFORMED", limits);
          throw error;
        }
      }
    });

/** Whose image it is, as one of the parts says: a form may have it behind its file. */
function ownerOf(): { note(part: UploadUserImageRequest): void; userId(): string } {
  let userId = "";
  return {
    note: (part) => {
      if (part.userId === "") return;
      assertOwn(part.userId);
      if (userId !== "" && userId !== part.userId) throw userIdRequired();
      userId = part.userId;
    },
    userId: () => {
      if (userId === "") throw userIdRequired();
      return userId;
    },
  };
}

async function assertNotErased({ db }: Pick<Deps, "db">, user: UserKey): Promise<void> {
  if (await isErased(db, user)) throw customerErased(user.userId);
}

function save({ transaction, clock }: Deps, key: ImageKey, picture: Picture): Promise<UserImage> {
  return transaction(async (tx) => {
    await lockUser(tx, key);
    await assertNotErased({ db: tx }, key);
    const before = await readImage(tx, key);
    // Somebody was faster with the same.
    if (before?.contentHash === key.contentHash) return before;
    const eventsSent = (before?.eventsSent ?? 0) + 1;
    const image = { ...key, ...picture, hasThumbnail: false, eventsSent, uploadTime: clock.now() };
    await saveImage(tx, image);
    await appendEvents(tx, [imageUploaded(image)]);
    await recordChange(tx, {
      resource: { kind: "user_image", id: key.userId },
      ...(before && { before: shown(UserImageSchema, imageMessage(before)) }),
      after: shown(UserImageSchema, imageMessage(image)),
    });
    return image;
  });
}

function imageUploaded({ tenant, userId, contentHash, width, height, bytes, eventsSent, uploadTime }: UserImage) {
  const message = { userId, contentHash, width, height, bytes: BigInt(bytes), uploadTime: timestampFromDate(uploadTime) };
  return outgoing(ImageUploadedSchema, message, { tenant, sequence: eventsSent, time: uploadTime, cause: requestCause() });
}
