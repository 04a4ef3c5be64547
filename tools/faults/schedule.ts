// What is broken, and when. Everything follows from the seed, so that a run can be made again.
import { seededRandom, type Random } from "./random.ts";

export type Server = "postgres" | "nats";

export type Fault =
  | { kind: "kill"; process: string; downMs: number }
  | { kind: "stop"; process: string; forMs: number }
  | { kind: "restart"; server: Server; way: "kill" | "clean"; downMs: number }
  | { kind: "cut"; process: string; server: Server }
  | { kind: "refuse"; process: string; server: Server; forMs: number }
  | { kind: "delay"; process: string; server: Server; delayMs: number; forMs: number }
  | { kind: "stall"; process: string; server: Server; forMs: number }
  | { kind: "duplicates"; messages: number }
  | { kind: "clock"; process: string; offsetMs: number; forMs: number }
  | { kind: "crash_point"; process: string; point: string; pass: number };

export interface PlannedFault {
  atMs: number;
  fault: Fault;
}

/** A process of the bench, and the points at which it can be made to die. */
export interface Target {
  process: string;
  /** False where it has no data and no events, as the edge. */
  hasServers: boolean;
  points: readonly string[];
}

type Draw = (random: Random, targets: readonly Target[]) => Fault;

const anyOf = (random: Random, targets: readonly Target[]): string => random.pick(targets).process;
const connected = (random: Random, targets: readonly Target[]): string =>
  anyOf(
    random,
    targets.filter(({ hasServers }) => hasServers),
  );
const server = (random: Random): Server => random.pick(["postgres", "nats"]);
const hourMs = 3_600_000;

const kill: Draw = (random, targets) => ({ kind: "kill", process: anyOf(random, targets), downMs: random.between(200, 6_000) });
const stop: Draw = (random, targets) => ({ kind: "stop", process: anyOf(random, targets), forMs: random.between(2_000, 15_000) });
const cut: Draw = (random, targets) => ({ kind: "cut", process: connected(random, targets), server: server(random) });
const duplicates: Draw = (random) => ({ kind: "duplicates", messages: random.between(20, 100) });

const restart =
  (which: Server, way: "kill" | "clean"): Draw =>
  (random) => ({ kind: "restart", server: which, way, downMs: random.between(200, 3_000) });

const refuse: Draw = (random, targets) => ({
  kind: "refuse",
  process: connected(random, targets),
  server: server(random),
  forMs: random.between(1_000, 8_000),
});

const stall: Draw = (random, targets) => ({
  kind: "stall",
  process: connected(random, targets),
  server: server(random),
  forMs: random.between(1_000, 8_000),
});

const delay: Draw = (random, targets) => ({
  kind: "delay",
  process: connected(random, targets),
  server: server(random),
  delayMs: random.between(50, 500),
  forMs: random.between(2_000, 8_000),
});

const clock =
  (offsetMs: number): Draw =>
  (random, targets) => ({
    kind: "clock",
    process: connected(random, targets),
    offsetMs,
    forMs: random.between(2_000, 8_000),
  });

const crashPoint: Draw = (random, targets) => {
  const { process, points } = random.pick(targets.filter((target) => target.points.length > 0));
  return { kind: "crash_point", process, point: random.pick(points), pass: random.between(1, 3) };
};

/** Drawn without putting back, so that every kind comes in every two minutes; then all are put back. */
const bag: readonly Draw[] = [
  [kill, kill, kill, stop, stop, cut, cut, refuse, stall, delay, delay, duplicates, duplicates],
  [restart("nats", "kill"), restart("nats", "clean"), restart("postgres", "kill"), restart("postgres", "clean")],
  [clock(hourMs), clock(-hourMs)],
  [crashPoint, crashPoint, crashPoint, crashPoint],
].flat();

/** Orders must be on their way before the first one. */
const firstMs = 4_000;
const gapMsMin = 4_000;
const gapMsMax = 5_600;
/** The last ones have a little time to show in what the load still sends. */
const lastBeforeEndMs = 2_000;

export function planFaults(options: { seed: number; durationMs: number; targets: readonly Target[] }): PlannedFault[] {
  const { seed, durationMs, targets } = options;
  const random = seededRandom(seed);
  const planned: PlannedFault[] = [];
  let left: Draw[] = [];
  for (let atMs = firstMs; atMs <= durationMs - lastBeforeEndMs; atMs += random.between(gapMsMin, gapMsMax)) {
    if (left.length === 0) left = random.shuffle(bag);
    const draw = left.pop();
    if (draw) planned.push({ atMs, fault: draw(random, targets) });
  }
  return planned;
}

/** One line for a person: what, where, how long. */
export function faultText(fault: Fault): string {
  switch (fault.kind) {
    case "kill":
      return `kill -9 ${fault.process}, down for ${fault.downMs} ms`;
    case "stop":
      return `SIGSTOP ${fault.process} for ${fault.forMs} ms`;
    case "restart":
      return `${fault.way === "kill" ? "kill -9" : "stop"} ${fault.server}, down for ${fault.downMs} ms`;
    case "cut":
      return `cut ${fault.process} from ${fault.server}`;
    case "refuse":
      return `refuse ${fault.process} its ${fault.server} for ${fault.forMs} ms`;
    case "delay":
      return `delay ${fault.process} and its ${fault.server} by ${fault.delayMs} ms for ${fault.forMs} ms`;
    case "stall":
      return `stall ${fault.process} and its ${fault.server} for ${fault.forMs} ms`;
    case "duplicates":
      return `publish ${fault.messages} events again`;
    case "clock":
      return `clock of ${fault.process} off by ${fault.offsetMs / 1_000} s for ${fault.forMs} ms`;
    case "crash_point":
      return `${fault.process} dies at ${fault.point}, pass ${fault.pass}`;
  }
}
