// Names of files in the store: by whose they are and what they hold, so that a repeat is the same file. Tenants, users and products
// are letters, digits, "_" and "-".
import type { PictureType } from "./variants.ts";

/** Who has an image, one at a time. */
export interface ImageOwner {
  tenant: string;
  kind: "users" | "products";
  id: string;
}

/** An image, by the SHA-256 of what was uploaded, in hexadecimal. */
export interface OwnedImage extends ImageOwner {
  contentHash: string;
}

/** An image of a user. */
export interface ImageKey {
  tenant: string;
  userId: string;
  contentHash: string;
}

/** An image of a product. */
export interface ProductImageKey {
  tenant: string;
  productId: string;
  contentHash: string;
}

const folderOf = ({ tenant, kind, id }: ImageOwner): string => `${tenant}/${kind}/${id}/`;

export const usersFolder = ({ tenant, userId }: Omit<ImageKey, "contentHash">): string =>
  folderOf({ tenant, kind: "users", id: userId });

export const imageName = (key: ImageKey): string => `${usersFolder(key)}${key.contentHash}.jpg`;

/** Pixels, both ways. */
export const thumbnailSize = 300;

export const thumbnailName = (key: ImageKey): string =>
  `${usersFolder(key)}${key.contentHash}-${thumbnailSize}x${thumbnailSize}.jpg`;

const productFile = ({ tenant, productId, contentHash }: ProductImageKey, suffix: string): string =>
  `${folderOf({ tenant, kind: "products", id: productId })}${contentHash}${suffix}`;

export const productImageName = (key: ProductImageKey): string => productFile(key, ".jpg");

const endings: Readonly<Record<PictureType, string>> = { "image/avif": "avif", "image/webp": "webp", "image/jpeg": "jpg" };

/** @param size Pixels of the longer side. */
export const variantName = (key: ProductImageKey, { size, type }: { size: number; type: PictureType }): string =>
  productFile(key, `-${size}.${endings[type]}`);

/** Where REST has them. */
export const imagePath = (userId: string): string => `/v1/users/${userId}/image`;
export const thumbnailPath = (userId: string): string => `/v1/users/${userId}/thumbnail`;
export const productImagePath = (productId: string): string => `/v1/products/${productId}/image`;

const imageFile =
  /^([A-Za-z0-9_-]+)\/(?:(users)|products)\/([A-Za-z0-9_-]+)\/([0-9a-f]{64})(?:-\d+(?:x\d+)?)?\.(?:jpg|webp|avif)$/;

/** Whose a file is, and of which image; undefined for what is none. */
export function parseImageName(name: string): OwnedImage | undefined {
  const [, tenant, users, id, contentHash] = imageFile.exec(name) ?? [];
  return tenant && id && contentHash ? { tenant, kind: users ? "users" : "products", id, contentHash } : undefined;
}
