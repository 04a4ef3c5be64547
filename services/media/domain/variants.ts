// What is made of a product's image: some sizes, each in some types.

export type PictureType = "image/avif" | "image/webp" | "image/jpeg";

/** By what they take of the line: for the same picture the first has the fewest bytes. */
export const pictureTypes: readonly PictureType[] = ["image/avif", "image/webp", "image/jpeg"];

/** Of lists, pages and large screens: pixels of the longer side. */
const wantedSizes = [160, 480, 1_200] as const;

/** Those that there are of a picture, smallest first: nothing is enlarged, so a small one ends with its own size. */
export function variantSizes({ width, height }: { width: number; height: number }): number[] {
  const longer = Math.max(width, height);
  return [...new Set(wantedSizes.map((size) => Math.min(size, longer)))];
}

/** The next that is not smaller, else the largest; undefined where there is none. */
export function nearestSize(sizes: readonly number[], wanted: number): number | undefined {
  return sizes.find((size) => size >= wanted) ?? sizes.at(-1);
}
