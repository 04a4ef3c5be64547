// What media refuses, and why.
import { Code, type ConnectError } from "@connectrpc/connect";
import { isAnothers } from "#runtime/access/authorize.ts";
import { refuse } from "#runtime/errors.ts";
import type { JpegProblem } from "../domain/jpeg.ts";
import type { ImageLimits } from "../provider/settings.ts";

/** @throws ConnectError PERMISSION_DENIED with NOT_YOURS, as for methods whose contract names an owner. */
export function assertOwn(userId: string): void {
  if (!isAnothers(userId)) return;
  throw refuse(Code.PermissionDenied, "NOT_YOURS", "a customer may only ask for itself", { field: "user_id" });
}

export const userIdRequired = (): ConnectError =>
  refuse(Code.InvalidArgument, "USER_ID_REQUIRED", "say whose image it is: user_id, once", { field: "user_id" });

export const productIdRequired = (): ConnectError =>
  refuse(Code.InvalidArgument, "PRODUCT_ID_REQUIRED", "say which product's image it is: product_id, once", {
    field: "product_id",
  });

export const productNotFound = (productId: string): ConnectError =>
  refuse(Code.NotFound, "PRODUCT_NOT_FOUND", `there is no product ${productId}`, { productId });

export const customerErased = (userId: string): ConnectError =>
  refuse(Code.FailedPrecondition, "CUSTOMER_ERASED", `customer ${userId} is erased, so nothing is kept`, { customerId: userId });

export const imageNotFound = (userId: string): ConnectError =>
  refuse(Code.NotFound, "IMAGE_NOT_FOUND", `customer ${userId} has no image`, { userId });

export const productImageNotFound = (productId: string): ConnectError =>
  refuse(Code.NotFound, "IMAGE_NOT_FOUND", `product ${productId} has no image`, { productId });

export const thumbnailNotReady = (userId: string): ConnectError =>
  refuse(Code.NotFound, "THUMBNAIL_NOT_READY", "the thumbnail is not made yet: ask again in a moment", { userId });

export const rangeNotSatisfiable = (size: number): ConnectError =>
  refuse(Code.OutOfRange, "RANGE_NOT_SATISFIABLE", `the file has ${size} bytes, and none of those asked for`, {
    bytesTotal: String(size),
  });

export const tooManyBytes = ({ bytesMax }: ImageLimits): ConnectError =>
  refuse(Code.InvalidArgument, "BODY_TOO_LARGE", `the image is larger than ${bytesMax} bytes`, { bytesMax: String(bytesMax) });

export function imageRefused(problem: JpegProblem, { pixelsMax }: ImageLimits): ConnectError {
  switch (problem) {
    case "EMPTY":
      return refuse(Code.InvalidArgument, "IMAGE_EMPTY", "the file has no bytes");
    case "NOT_JPEG":
      return refuse(Code.InvalidArgument, "IMAGE_NOT_JPEG", "the file is no JPEG by what it holds, whatever it is called");
    case "MALFORMED":
      return refuse(Code.InvalidArgument, "IMAGE_MALFORMED", "the JPEG is damaged and cannot be shown");
    case "TRUNCATED":
      return refuse(Code.InvalidArgument, "IMAGE_TRUNCATED", "the JPEG ends before its end marker: send it whole");
    case "TRAILING_DATA":
      return refuse(
        Code.InvalidArgument,
        "IMAGE_TRAILING_DATA",
        "something follows the end marker of the JPEG: send the image alone",
      );
    case "TOO_MANY_PIXELS":
      return refuse(
        Code.InvalidArgument,
        "IMAGE_TOO_MANY_PIXELS",
        `the image has more than ${pixelsMax} pixels: send a smaller one`,
        {
          pixelsMax: String(pixelsMax),
        },
      );
  }
}
