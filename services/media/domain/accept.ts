// Which of several types of a picture whoever asks would like best: RFC 9110, section 12.5.1.
import { pictureTypes, type PictureType } from "./variants.ts";

interface Weighed {
  type: PictureType;
  /** Thousandths. */
  weight: number;
  /** Asked for by its name, and not by a range that has it too. */
  isNamed: boolean;
}

/**
 * What the header prefers. Of what it likes equally: what it names, by the fewest bytes, before what is only in a range of it, which
 * whoever says "anything" is most likely to be able to show: the JPEG. That is also for a header that takes none of them, or that
 * says nothing: a picture in another type is more use than none.
 */
export function bestType(accept: string | null): PictureType {
  const ranges = rangesOf(accept ?? "");
  const weighed = pictureTypes.map((type) => weigh(type, ranges)).filter(({ weight }) => weight > 0);
  const [best] = weighed.toSorted(
    (one, other) =>
      other.weight - one.weight ||
      Number(other.isNamed) - Number(one.isNamed) ||
      (one.isNamed ? byBytes(one, other) : byBytes(other, one)),
  );
  return best?.type ?? "image/jpeg";
}

const byBytes = (one: Weighed, other: Weighed): number => pictureTypes.indexOf(one.type) - pictureTypes.indexOf(other.type);

/** The most specific range that has the type counts, whatever the others say. */
function weigh(type: PictureType, ranges: ReadonlyMap<string, number>): Weighed {
  const named = ranges.get(type);
  return { type, weight: named ?? ranges.get("image/*") ?? ranges.get("*/*") ?? 0, isNamed: named !== undefined };
}

/** Weights in thousandths by range. What is no range is passed over, as is one with parameters, which none of ours has. */
function rangesOf(accept: string): Map<string, number> {
  const ranges = new Map<string, number>();
  for (const element of accept.toLowerCase().split(",")) {
    const [range = "", ...parameters] = element.split(";").map((part) => part.trim());
    const weight = weightOf(parameters[0]);
    if (weight !== undefined) ranges.set(range, Math.max(weight, ranges.get(range) ?? 0));
  }
  return ranges;
}

/** Of its first parameter, section 12.4.2; what older senders write behind the weight means nothing. */
function weightOf(parameter: string | undefined): number | undefined {
  if (parameter === undefined || parameter === "") return 1_000;
  const [, value] = /^q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.exec(parameter) ?? [];
  return value === undefined ? undefined : Math.round(Number(value) * 1_000);
}
