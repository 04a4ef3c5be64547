// What an alert says: how much is new, of which kind, the first of it by name, and what to do next.
import { fitForMail } from "./alerts-mask.ts";

/** A letter that has just been opened. Nothing else of it may be in a mail. */
export interface LetterNews {
  letterId: string;
  consumer: string;
  typeName: string;
  key: string;
  code: string;
  message: string;
  failureTime: Date;
}

/** A violation that has just been opened. */
export interface ViolationNews {
  violationId: string;
  check: string;
  key: string;
  message: string;
  seenTime: Date;
}

export interface LetterGroup {
  consumer: string;
  typeName: string;
  code: string;
  letters: number;
}

/** Everything that is new since the last mail, as far as a mail shows it. */
export interface AlertNews {
  letters: number;
  violations: number;
  /** The largest, largest first. */
  groups: LetterGroup[];
  /** Of all groups, also those that are left out above. */
  groupsTotal: number;
  /** The oldest, oldest first. */
  firstLetters: LetterNews[];
  firstViolations: ViolationNews[];
}

/** How much of the news a mail shows. */
export const alertBounds = { groupsMax: 20, lettersMax: 10, violationsMax: 10 } as const;

export interface Section {
  title: string;
  columns: string[];
  rows: string[][];
  /** Says what is left out; empty where nothing is. */
  rest: string;
}

export interface AlertContent {
  subject: string;
  sections: Section[];
  steps: { what: string; call: string }[];
}

/** When the next mail may go: the first news waits for company, and two mails keep their distance. */
export function alertTime(about: {
  firstNewsTime: Date;
  lastSentTime: Date | undefined;
  groupSeconds: number;
  pauseSeconds: number;
}): Date {
  const grouped = about.firstNewsTime.getTime() + about.groupSeconds * 1_000;
  const paused = (about.lastSentTime?.getTime() ?? 0) + about.pauseSeconds * 1_000;
  return new Date(Math.max(grouped, paused));
}

export function alertContent(news: AlertNews, now: Date): AlertContent {
  const sections = [groupSection(news), letterSection(news, now), violationSection(news, now)];
  return {
    subject: `[ordermesh] ${newsInWords(news)}`,
    sections: sections.filter(({ rows }) => rows.length > 0),
    steps: nextSteps(news),
  };
}

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;

function newsInWords({ letters, violations }: AlertNews): string {
  const parts = [
    ...(letters > 0 ? [counted(letters, "dead letter")] : []),
    ...(violations > 0 ? [counted(violations, "audit violation")] : []),
  ];
  return parts.join(", ");
}

const restOf = (total: number, shown: number): string => (total > shown ? `and ${total - shown} more` : "");

function groupSection({ groups, groupsTotal }: AlertNews): Section {
  return {
    title: "Dead letters by consumer, event type and code",
    columns: ["letters", "consumer", "event type", "code"],
    rows: groups.map((group) => [String(group.letters), ...[group.consumer, group.typeName, group.code].map(fitForMail)]),
    rest: restOf(groupsTotal, groups.length),
  };
}

function letterSection({ letters, firstLetters }: AlertNews, now: Date): Section {
  return {
    title: "The first dead letters",
    columns: ["letter", "key", "cause", "age"],
    rows: firstLetters.map((letter) => [
      letter.letterId,
      fitForMail(letter.key),
      fitForMail(`${letter.code}: ${letter.message}`),
      ageInWords(letter.failureTime, now),
    ]),
    rest: restOf(letters, firstLetters.length),
  };
}

function violationSection({ violations, firstViolations }: AlertNews, now: Date): Section {
  return {
    title: "Audit violations",
    columns: ["check", "key", "what disagrees", "age"],
    rows: firstViolations.map((violation) => [
      fitForMail(violation.check),
      fitForMail(violation.key),
      fitForMail(violation.message),
      ageInWords(violation.seenTime, now),
    ]),
    rest: restOf(violations, firstViolations.length),
  };
}

function nextSteps({ letters, violations, firstLetters }: AlertNews): AlertContent["steps"] {
  const letterId = firstLetters[0]?.letterId ?? "{letterId}";
  const body = '{"reason": "why"}';
  return [
    ...(letters > 0
      ? [
          { what: "List the dead letters", call: "GET /v1/dead-letters" },
          { what: "Read one with its payload", call: `GET /v1/dead-letters/${letterId}` },
          { what: "When the cause is gone, send it again", call: `POST /v1/dead-letters/${letterId}:redrive ${body}` },
          { what: "Or give it up", call: `POST /v1/dead-letters/${letterId}:discard ${body}` },
        ]
      : []),
    ...(violations > 0 ? [{ what: "Read the auditor's report with the figures", call: "GET /v1/audit" }] : []),
  ];
}

function ageInWords(since: Date, now: Date): string {
  const seconds = Math.max(0, Math.floor((now.getTime() - since.getTime()) / 1_000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}
