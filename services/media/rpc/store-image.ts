// The way of every image that comes: into the spool, looked at, cleaned, into the store, and only then into a row.
import type { HttpBody } from "#gen/google/api/httpbody_pb.ts";
import { crashPoint } from "#runtime/faults.ts";
import { cutBy } from "#runtime/rpc/streams.ts";
import { PictureDamaged, type Picture } from "../provider/pictures.ts";
import type { Media } from "../provider/settings.ts";
import { receiveImage } from "./receive-image.ts";
import { imageRefused } from "./refusals.ts";

export interface Incoming<Part, Image> {
  parts: AsyncIterable<Part>;
  /** Ends it when its caller goes. */
  signal: AbortSignal;
  onPart: (part: Part) => void;
  /** Where it goes, once all of it has come. Throws where nobody may have it. */
  placeOf: (contentHash: string) => Promise<Place<Image>>;
}

export interface Place<Image> {
  /** Of the file. */
  name: string;
  /** What the row says where it names this file already. */
  known: () => Promise<Image | undefined>;
  /** Writes the row, where nobody was faster with the same; answers what it says. */
  save: (picture: Picture) => Promise<Image>;
  /** True where the file must not stay, whatever became of the row. */
  isForbidden: () => Promise<boolean>;
}

/**
 * A repeat finds the row and changes nothing.
 *
 * @throws ConnectError for what is no image that we take; then nothing is stored.
 */
export function storeImage<Part extends { image?: HttpBody | undefined }, Image>(
  { store, spool, pictures, limits }: Media,
  { parts, signal, onPart, placeOf }: Incoming<Part, Image>,
): Promise<Image> {
  return spool.using(async (path) => {
    const received = { path, limits, onPart };
    const { contentHash } = await receiveImage(
      cutBy(signal, parts, () => {}),
      received,
    );
    const { name, known, save, isForbidden } = await placeOf(contentHash);
    const isStored = async (): Promise<boolean> => (await store.open(name)) !== undefined;
    const removeForbidden = async (): Promise<void> => {
      if (await isForbidden()) await store.remove([name]);
    };
    const before = await known();
    if (before && (await isStored())) return before;
    const put = (): Promise<Picture> =>
      spool.using(async (cleanPath) => {
        const picture = await cleaned(() => pictures.clean(path, cleanPath));
        await store.put(name, cleanPath);
        return picture;
      });
    const picture = await put();
    crashPoint("media.upload", "after_provider");
    try {
      const image = await save(picture);
      if (await isStored()) return image;
      // Until the row named it the file was nobody's, and the sweep has just taken it; from now on it does not.
      await put();
      await removeForbidden();
      return image;
    } catch (error) {
      await removeForbidden();
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
}

/** What an image is for, as the parts of an upload say it: in any of them, because a form may have it behind its file, and all the same. */
export function namedOnce(required: () => Error): { note(id: string): void; id(): string } {
  let named = "";
  return {
    note: (id) => {
      if (id === "") return;
      if (named !== "" && named !== id) throw required();
      named = id;
    },
    id: () => {
      if (named === "") throw required();
      return named;
    },
  };
}
