// Text as the fonts that every PDF reader has can show it: their encoding has the letters of western Europe (ISO 32000-1, annex D.2,
// WinAnsiEncoding). Greek and Cyrillic are written in Latin letters; what is left is shown as a question mark.

export interface Printable {
  text: string;
  /** How many characters are shown as question marks. */
  lost: number;
}

const isEncoded = (text: string): boolean => /^[ -~\u00a0-\u00ff€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]*$/u.test(text);

/** Pairs of a letter and what stands for it. */
const alphabet = (pairs: string): [string, string][] =>
  pairs.split(" ").map((pair): [string, string] => [pair.slice(0, 1), pair.slice(1)]);

const letters = new Map([
  // Letters that no accent can be taken from.
  ...alphabet("łl đd ıi ħh ŋn ŧt əa"),
  // As in passports (ICAO Doc 9303 part 3, section 6.B), with what is Ukrainian and Serbian.
  ...alphabet("аa бb вv гg дd еe ёe жzh зz иi йi кk лl мm нn оo пp рr сs тt уu фf хkh цts чch шsh щshch ъie ыy ь эe юiu яia"),
  ...alphabet("іi їi єie ґg ђdj јj љlj њnj ћc џdz"),
  // Letter by letter, after ELOT 743.
  ...alphabet("αa βv γg δd εe ζz ηi θth ιi κk λl μm νn ξx οo πp ρr σs ςs τt υy φf χch ψps ωo"),
]);
const unprintable = "?";

export function printable(given: string): Printable {
  let text = "";
  let lost = 0;
  for (const character of given.normalize("NFC").matchAll(/\P{M}\p{M}*|\p{M}+/gu)) {
    const [shown] = character;
    const found = isEncoded(shown) ? shown : inLatin(shown);
    text += found ?? unprintable;
    if (found === undefined) lost += 1;
  }
  return { text, lost };
}

/** Undefined where there is no way that every reader would understand. */
function inLatin(character: string): string | undefined {
  const written = inLetters(character);
  if (written !== undefined) return written;
  // An accent that the fonts do not have is left out.
  const plain = character.normalize("NFKD").replaceAll(/\p{M}/gu, "");
  if (plain === character || plain === "") return undefined;
  return isEncoded(plain) ? plain : inLetters(plain);
}

function inLetters(character: string): string | undefined {
  const small = character.toLowerCase();
  const written = letters.get(small);
  if (written === undefined || small === character) return written;
  return written.slice(0, 1).toUpperCase() + written.slice(1);
}
