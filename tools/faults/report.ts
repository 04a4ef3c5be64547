// What a run has come to, for a person and for a machine.
import type { AuditVerdict } from "./auditor.ts";
import { counted } from "./counted.ts";
import type { Judgement } from "./ledger/judge.ts";
import type { UnderWay } from "./quiet.ts";
import { isQuiet } from "./quiet.ts";

export interface InjectedFault {
  atMs: number;
  kind: string;
  text: string;
  note: string;
  /** False where it could not be done at its moment; the note says why. */
  isInjected: boolean;
}

export interface RunReport {
  seed: number;
  minutes: number;
  perSecond: number;
  tenants: number;
  isCalm: boolean;
  lifeSeconds: number;
  faults: InjectedFault[];
  /** Points at which a process has died, and how often processes ended by themselves. */
  deathsAtPoints: string[];
  deathsByThemselves: number;
  commands: { asked: number; accepted: number; refused: Record<string, number>; unknown: number; attemptsWithoutAnswer: number };
  /** From the end of the last fault until it was quiet. */
  recoveryMs: number;
  /** Pieces of work that were planned for later, for which time was let pass. */
  waitedForTime: number;
  notReady: string[];
  underWay: UnderWay;
  judgement: Judgement;
  audit: AuditVerdict;
}

type RunAsked = Pick<RunReport, "seed" | "minutes" | "perSecond" | "tenants" | "isCalm" | "lifeSeconds">;

/** Seconds that an order may take until it is ready, where nothing else is said. */
export const lifeSecondsDefault = 25;

export const reproduction = ({ seed, minutes, perSecond, tenants, isCalm, lifeSeconds }: RunAsked): string =>
  `npm run test:faults -- --seed ${seed} --minutes ${minutes} --rate ${perSecond}${tenants > 1 ? ` --tenants ${tenants}` : ""}${isCalm ? " --calm" : ""}${lifeSeconds === lifeSecondsDefault ? "" : ` --life ${lifeSeconds}`}`;

/** In words, what is not as promised; empty where everything is. */
export function problems(report: RunReport): string[] {
  const { judgement, audit, underWay, notReady } = report;
  return [
    ...notReady.map((name) => `${name} did not become ready again`),
    ...(isQuiet(underWay) ? [] : [`it did not become quiet: ${JSON.stringify(underWay)}`]),
    ...judgement.disagreements.map(({ rule, subject, message }) => `${rule} ${subject}: ${message}`),
    ...audit.violations.map(({ check, tenant, key, message }) => `auditor, ${check} ${tenant}/${key}: ${message}`),
    ...(audit.state === "INCOMPLETE" ? ["the auditor could not look at everything"] : []),
    ...(report.commands.unknown > 0 ? [`${report.commands.unknown} commands were never answered`] : []),
  ];
}

const shownMax = 40;

export function reportText(report: RunReport): string {
  const { faults, commands, judgement, audit } = report;
  const injected = faults.filter(({ isInjected }) => isInjected);
  const missed = faults.filter(({ isInjected }) => !isInjected);
  const wrong = problems(report);
  return [
    "",
    `Faults injected: ${injected.length}`,
    ...lines(counted(injected.map(({ kind }) => kind))),
    ...lines(counted(missed.map(({ kind }) => kind)), "not injected: "),
    `  died at points ${report.deathsAtPoints.length}${list(report.deathsAtPoints)}, ended by themselves ${report.deathsByThemselves}`,
    "",
    `Tenants: ${report.tenants}`,
    `Orders asked for: ${commands.asked}; accepted ${commands.accepted}, without an answer at last ${commands.unknown}; attempts without an answer ${commands.attemptsWithoutAnswer}`,
    ...lines(commands.refused, "refused: "),
    "",
    "What became of the orders",
    ...lines(judgement.fates),
    ...lines(judgement.fatesOfWishes),
    "",
    `Quiet ${(report.recoveryMs / 1_000).toFixed(1)} s after the last fault; work that waited for a later time: ${report.waitedForTime}`,
    `Auditor: ${audit.state}, open dead letters ${audit.openLetters ?? "not told"}`,
    `Ledger: ${judgement.checked} comparisons, ${judgement.disagreements.length} disagreements, ${judgement.deadLetters.length} dead letters`,
    ...judgement.deadLetters
      .slice(0, shownMax)
      .map(({ service, key, code, message }) => `  ${service} ${key} ${code}: ${message}`),
    ...(wrong.length === 0
      ? ["", "Nothing lost, nothing doubled, nothing stuck."]
      : [
          "",
          `NOT AS PROMISED (${wrong.length}):`,
          ...wrong.slice(0, shownMax).map((line) => `  ${line}`),
          "",
          "Again with:",
          `  ${reproduction(report)}`,
        ]),
    "",
  ].join("\n");
}

const lines = (counts: Record<string, number>, prefix = ""): string[] =>
  Object.entries(counts)
    .toSorted(([, one], [, other]) => other - one)
    .map(([name, count]) => `  ${`${prefix}${name}`.padEnd(40)} ${String(count).padStart(6)}`);

const list = (names: readonly string[]): string => (names.length === 0 ? "" : ` (${names.join(", ")})`);
