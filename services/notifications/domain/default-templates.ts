// The templates that ordermesh brings, and which of all is used for a customer.
import { channels, facts, type Channel, type Fact } from "./facts.ts";
import { german } from "./default-texts-de.ts";
import { english, type Texts } from "./default-texts-en.ts";
import type { Content } from "./render.ts";

export interface TemplateKey {
  fact: Fact;
  language: string;
  channel: Channel;
}

export interface Template extends TemplateKey {
  content: Content;
  /** Null for one that ordermesh brings. */
  replaceTime: Date | null;
}

const languages: Readonly<Record<string, Readonly<Record<Fact, Texts>>>> = { en: english, de: german };
export const fallbackLanguage = "en";

export function defaultTemplate({ fact, language, channel }: TemplateKey): Template | undefined {
  const texts = Object.hasOwn(languages, language) ? languages[language]?.[fact] : undefined;
  return texts && { fact, language, channel, content: contentOf(texts, channel), replaceTime: null };
}

export const defaultTemplates = (): Template[] =>
  facts.flatMap((fact) =>
    channels.flatMap((channel) =>
      Object.keys(languages).flatMap((language) => defaultTemplate({ fact, language, channel }) ?? []),
    ),
  );

function contentOf({ greeting, subject, paragraphs, short }: Texts, channel: Channel): Content {
  switch (channel) {
    case "sms":
      return { subject: "", text: short, html: "" };
    case "push":
      return { subject, text: short, html: "" };
    case "email": {
      const lines = [greeting, ...paragraphs];
      return { subject, text: `${lines.join("\n\n")}\n`, html: lines.map((line) => `<p>${line}</p>\n`).join("") };
    }
  }
}

/** The customer's language, where there is a template in it; else the one that is always there. */
export const languagesFor = (locale: string): string[] => [
  ...new Set([(locale.split("-")[0] ?? "").toLowerCase(), fallbackLanguage]),
];

/** Of the languages in their order the first that has a template, the shop's own before the one that ordermesh brings. */
export function templateInForce(
  { fact, channel, languages: wanted }: { fact: Fact; channel: Channel; languages: readonly string[] },
  own: readonly Template[],
): Template | undefined {
  for (const language of wanted) {
    const template = own.find((each) => each.language === language) ?? defaultTemplate({ fact, language, channel });
    if (template) return template;
  }
  return undefined;
}
