// Path templates of google.api.http: "/" segments, "*", "**", "{field.path=segments}" and a ":verb" at the end.

/** A literal, or one of the two wildcards. */
export type TemplateSegment = { kind: "literal"; text: string } | { kind: "star" } | { kind: "double_star" };

export interface TemplateVariable {
  /** Dotted path of proto field names in the request. */
  fieldPath: string;
  /** Index of its first segment. */
  start: number;
  /** Index after its last segment; undefined where it ends with "**" and takes all that follows. */
  end: number | undefined;
  /** True where it may span several segments: then %2F stays as it is, or the bounds of segments would be lost. */
  multiple: boolean;
}

export interface Template {
  segments: TemplateSegment[];
  /** Empty where the template has none. */
  verb: string;
  variables: TemplateVariable[];
}

export class TemplateError extends Error {
  override readonly name = "TemplateError";
}

const templateLengthMax = 1_000;
const fieldPathPattern = /^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$/;
// What RFC 3986 allows in a path segment, without the characters that a template gives a meaning.
const literalPattern = /^(?:[A-Za-z0-9._~!$&'()+,;@-]|%[0-9A-Fa-f]{2})+$/;
const reserved = "*{}=:/";

export function parseTemplate(text: string): Template {
  if (text.length > templateLengthMax) throw new TemplateError(`longer than ${templateLengthMax} characters`);
  if (!text.startsWith("/")) throw new TemplateError('must start with "/"');
  const parser = new Parser(text);
  const template = parser.parse();
  const lastIndex = template.segments.length - 1;
  if (template.segments.some((segment, index) => segment.kind === "double_star" && index !== lastIndex)) {
    throw new TemplateError('"**" must be the last segment');
  }
  const paths = template.variables.map((variable) => variable.fieldPath);
  const repeated = paths.find((path, index) => paths.indexOf(path) !== index);
  if (repeated !== undefined) throw new TemplateError(`variable "${repeated}" appears twice`);
  return template;
}

class Parser {
  private position = 1;
  private readonly segments: TemplateSegment[] = [];
  private readonly variables: TemplateVariable[] = [];
  private readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  parse(): Template {
    // "/" alone is the root: no segments at all.
    if (this.text.length > 1) this.readSegments({ inVariable: false });
    let verb = "";
    if (this.peek() === ":") {
      this.position += 1;
      verb = this.readLiteral();
    }
    if (this.position < this.text.length) throw new TemplateError(`"${this.peek()}" at ${this.position} is not expected`);
    return { segments: this.segments, verb, variables: this.variables };
  }

  private peek(): string {
    return this.text.charAt(this.position);
  }

  private readSegments({ inVariable }: { inVariable: boolean }): void {
    for (;;) {
      this.readSegment({ inVariable });
      if (this.peek() !== "/") return;
      this.position += 1;
    }
  }

  private readSegment({ inVariable }: { inVariable: boolean }): void {
    if (this.peek() === "{") {
      if (inVariable) throw new TemplateError("a variable must not contain a variable");
      this.readVariable();
    } else if (this.text.startsWith("**", this.position)) {
      this.position += 2;
      this.segments.push({ kind: "double_star" });
    } else if (this.peek() === "*") {
      this.position += 1;
      this.segments.push({ kind: "star" });
    } else {
      this.segments.push({ kind: "literal", text: this.readLiteral() });
    }
  }

  private readVariable(): void {
    const close = this.text.indexOf("}", this.position);
    if (close < 0) throw new TemplateError('"{" without "}"');
    const equals = this.text.indexOf("=", this.position);
    const nameEnd = equals >= 0 && equals < close ? equals : close;
    const fieldPath = this.text.slice(this.position + 1, nameEnd);
    if (!fieldPathPattern.test(fieldPath)) throw new TemplateError(`"${fieldPath}" is not a field path`);
    const start = this.segments.length;
    this.position = nameEnd;
    if (this.peek() === "=") {
      this.position += 1;
      this.readSegments({ inVariable: true });
      if (this.peek() !== "}") throw new TemplateError(`variable "${fieldPath}" does not end with "}"`);
    } else {
      this.segments.push({ kind: "star" });
    }
    this.position += 1;
    const open = this.segments.at(-1)?.kind === "double_star";
    const count = this.segments.length - start;
    this.variables.push({ fieldPath, start, end: open ? undefined : start + count, multiple: open || count > 1 });
  }

  private readLiteral(): string {
    const start = this.position;
    while (this.position < this.text.length && !reserved.includes(this.peek())) this.position += 1;
    const literal = this.text.slice(start, this.position);
    if (literal === "") throw new TemplateError(`an empty segment at ${start}`);
    if (!literalPattern.test(literal)) throw new TemplateError(`"${literal}" has characters that a path cannot have`);
    return literal;
  }
}
