// Images as the contract's messages.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { UserImageSchema } from "#gen/ordermesh/media/v1/media_service_pb.ts";
import { imagePath, thumbnailPath } from "../domain/names.ts";
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
