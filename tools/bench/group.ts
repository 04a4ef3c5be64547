// What a group of measurements is given, and answers.
import type { Series } from "./figures.ts";

export interface GroupOptions {
  /** Length of one run. */
  seconds: number;
  /** How often each run is repeated; each time its limit is measured beside it. */
  repeats: number;
  /** How many watch, where that is measured. */
  watchers: number;
  /** Tells what is being done: a group takes minutes. */
  say(progress: string): void;
}

export interface Group {
  name: string;
  /** One line for --help. */
  about: string;
  run(options: GroupOptions): Promise<Series[]>;
}
