// Causes are the words of exceptions, which may hold anything: they leave the house masked, and cut short.

/** Characters of a cause that are looked at; the rest of it is dropped unseen. */
const readCharactersMax = 4_000;
const shownCharactersMax = 200;
const cardDigitsMin = 13;
const cardDigitsMax = 19;
const hidden = "***";

/** One line of free text, fit for a mail: without secrets and card numbers, at most 200 characters. */
export function fitForMail(text: string): string {
  const line = text
    .slice(0, readCharactersMax)
    .replace(/[\p{C}\s]+/gu, " ")
    .trim();
  const masked = maskSecrets(line);
  return masked.length <= shownCharactersMax ? masked : `${masked.slice(0, shownCharactersMax - 1).trimEnd()}…`;
}

/** Hides too much rather than too little: whoever needs the whole text reads the letter. */
export function maskSecrets(text: string): string {
  return (
    text
      .replace(/\b([a-z][a-z0-9+.-]{0,20}:\/\/)\S+@/gi, `$1${hidden}@`)
      .replace(/\b(bearer|basic) +[\w.~+/=:-]+/gi, `$1 ${hidden}`)
      .replace(/\b(authorization|password|passwd|secret|api[_-]?key|token)("?\s*[=:]\s*)("[^"]*"?|[^\s,;]+)/gi, `$1$2${hidden}`)
      .replace(/\beyJ[\w-]+\.[\w.-]+/g, hidden)
      .replace(/(?<![a-z0-9])(tok|sk|pk|rk|re)_\w+/gi, `$1_${hidden}`)
      // Groups of a card number may be parted by anything that a person or a form puts between them.
      .replace(/\d(?:[ .-]{0,2}\d){12,}/g, (run) => (holdsCardNumber(run) ? "[card number]" : run))
  );
}

/** Whether some 13 to 19 digits in a row pass Luhn's check: what stands before and after a number must not hide it. */
function holdsCardNumber(run: string): boolean {
  const digits = run.replace(/\D/g, "");
  for (let start = 0; start + cardDigitsMin <= digits.length; start += 1) {
    for (let length = cardDigitsMin; length <= cardDigitsMax && start + length <= digits.length; length += 1) {
      if (passesLuhn(digits.slice(start, start + length))) return true;
    }
  }
  return false;
}

function passesLuhn(digits: string): boolean {
  let sum = 0;
  for (let position = 0; position < digits.length; position += 1) {
    const digit = Number(digits[digits.length - 1 - position]);
    const weighted = position % 2 === 0 ? digit : digit * 2;
    sum += weighted > 9 ? weighted - 9 : weighted;
  }
  // A row of zeros passes the check, but is nobody's card.
  return sum > 0 && sum % 10 === 0;
}
