// Names of files in the store: by whose they are and what they hold, so that a repeat is the same file. Tenants and users are
// letters, digits, "_" and "-".

/** An image, by the SHA-256 of what was uploaded, in hexadecimal. */
export interface ImageKey {
  tenant: string;
  userId: string;
  contentHash: string;
}

export const usersFolder = ({ tenant, userId }: Omit<ImageKey, "contentHash">): string => `${tenant}/users/${userId}/`;

export const imageName = (key: ImageKey): string => `${usersFolder(key)}${key.contentHash}.jpg`;

/** Pixels, both ways. */
export const thumbnailSize = 300;

export const thumbnailName = (key: ImageKey): string =>
  `${usersFolder(key)}${key.contentHash}-${thumbnailSize}x${thumbnailSize}.jpg`;

/** Where REST has them. */
export const imagePath = (userId: string): string => `/v1/users/${userId}/image`;
export const thumbnailPath = (userId: string): string => `/v1/users/${userId}/thumbnail`;

const userFile = /^([A-Za-z0-9_-]+)\/users\/([A-Za-z0-9_-]+)\/([0-9a-f]{64})(?:-\d+x\d+)?\.jpg$/;

/** Whose a user's file is; undefined for what is none. */
export function parseImageName(name: string): ImageKey | undefined {
  const [, tenant, userId, contentHash] = userFile.exec(name) ?? [];
  return tenant && userId && contentHash ? { tenant, userId, contentHash } : undefined;
}
