// Settings come from environment variables, are read once at start, and fail with the variable's name.
import { StartupError } from "./backing/startup-error.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export function textSetting(env: Environment, name: string, fallback: string): string {
  const text = env[name];
  return text === undefined || text === "" ? fallback : text;
}

/** A whole number within bounds, both included. */
export function numberSetting(env: Environment, name: string, options: { fallback: number; min: number; max: number }): number {
  const text = env[name];
  if (text === undefined || text === "") return options.fallback;
  const value = Number(text);
  if (!Number.isInteger(value) || value < options.min || value > options.max) {
    throw new StartupError(`${name} is "${text}"; set it to a whole number from ${options.min} to ${options.max}.`);
  }
  return value;
}

/** A code of ISO 3166-1 alpha-2. */
export function countrySetting(env: Environment, name: string, fallback: string): string {
  const code = textSetting(env, name, fallback);
  if (/^[A-Z]{2}$/.test(code)) return code;
  throw new StartupError(`${name} is "${code}"; set it to a code of ISO 3166-1 such as ${fallback}.`);
}

export function choiceSetting<Choice extends string>(
  env: Environment,
  name: string,
  options: { fallback: Choice; choices: readonly Choice[] },
): Choice {
  const text = env[name];
  if (text === undefined || text === "") return options.fallback;
  const choice = options.choices.find((candidate) => candidate === text);
  if (choice === undefined) throw new StartupError(`${name} is "${text}"; set it to one of ${options.choices.join(", ")}.`);
  return choice;
}
