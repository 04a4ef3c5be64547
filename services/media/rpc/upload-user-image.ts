// UploadUserImage: the file first, the row after it.
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import { ImageUploadedSchema } from "#gen/ordermesh/media/events/v1/media_events_pb.ts";
import { UserImageSchema, type MediaService } from "#gen/ordermesh/media/v1/media_service_pb.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { appendEvents } from "#runtime/events/outbox.ts";
import { outgoing, requestCause } from "#runtime/events/outgoing.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { imageName, type ImageKey } from "../domain/names.ts";
import type { Picture } from "../provider/pictures.ts";
import type { Media } from "../provider/settings.ts";
import type { MediaTables, UserKey } from "../store/tables.ts";
import { isErased, lockUser, readImage, saveImage, type UserImage } from "../store/user-images.ts";
import { imageMessage } from "./messages.ts";
import { assertOwn, customerErased, userIdRequired } from "./refusals.ts";
import { namedOnce, storeImage } from "./store-image.ts";

type Deps = Pick<ServiceRuntime<MediaTables>, "db" | "transaction" | "clock">;

export const uploadOf =
  (deps: Deps, media: Media): ServiceImpl<typeof MediaService>["uploadUserImage"] =>
  async (parts, { signal }) => {
    const owner = namedOnce(userIdRequired);
    const image = await storeImage(media, {
      parts,
      signal,
      onPart: ({ userId }) => {
        if (userId !== "") assertOwn(userId);
        owner.note(userId);
      },
      placeOf: async (contentHash) => {
        const user = { tenant: currentRequest().tenant, userId: owner.id() };
        await assertNotErased(deps, user);
        const key = { ...user, contentHash };
        return {
          name: imageName(key),
          known: async () => {
            const image = await readImage(deps.db, user);
            return image?.contentHash === contentHash ? image : undefined;
          },
          save: (picture) => save(deps, key, picture),
          isForbidden: () => isErased(deps.db, user),
        };
      },
    });
    return { image: imageMessage(image) };
  };

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
