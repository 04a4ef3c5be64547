// What is wrong with a request, all of it, so that a caller repairs it in one go.

export interface FieldViolation {
  /** Path of the field by proto names where it is known, else as the caller wrote it. */
  field: string;
  description: string;
}

const violationsMax = 100;
const textLengthMax = 300;

export class Violations {
  readonly list: FieldViolation[] = [];

  add(field: string, description: string): void {
    if (this.list.length < violationsMax) this.list.push({ field: clip(field), description: clip(description) });
  }
}

function clip(text: string): string {
  return text.length > textLengthMax ? `${text.slice(0, textLengthMax)}…` : text;
}
