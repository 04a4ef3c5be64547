// What a customer tells of itself, and which of it a change takes.

export const profileFields = ["displayName", "givenName", "familyName", "email", "phone", "locale"] as const;
export type Profile = Record<(typeof profileFields)[number], string>;

export const addressFields = ["label", "address", "defaultShipping", "defaultBilling"] as const;

const snakeCase = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/**
 * Which fields an update mask takes (AIP-134): those that it names, all by "*", and without a mask those that have a value.
 * Undefined where it names something else.
 */
export function fieldsToTake<Field extends string>(
  mask: readonly string[],
  { fields, given }: { fields: readonly Field[]; given: readonly Field[] },
): readonly Field[] | undefined {
  if (mask.length === 0) return given;
  if (mask.length === 1 && mask[0] === "*") return fields;
  const taken = mask.map((path) => fields.find((field) => snakeCase(field) === path));
  return taken.every((field) => field !== undefined) ? taken : undefined;
}

/** The values after a change; undefined where nothing differs. */
export function taking<Values extends object>(
  current: Values,
  wanted: Values,
  fields: readonly (keyof Values)[],
): Values | undefined {
  const differing = fields.filter((field) => JSON.stringify(current[field]) !== JSON.stringify(wanted[field]));
  if (differing.length === 0) return undefined;
  return { ...current, ...Object.fromEntries(differing.map((field) => [field, wanted[field]])) };
}
