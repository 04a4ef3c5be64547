// An alert as a mail: the same content as plain text and as HTML.
import { alertContent, type AlertContent, type AlertNews, type Section } from "./alerts.ts";

export interface RenderedAlert {
  subject: string;
  text: string;
  html: string;
}

export function renderAlert(news: AlertNews, now: Date): RenderedAlert {
  const content = alertContent(news, now);
  return { subject: content.subject, text: asText(content), html: asHtml(content) };
}

function asText({ sections, steps }: AlertContent): string {
  const tables = sections.map(({ title, columns, rows, rest }) =>
    [title, ...[columns, ...rows].map((cells) => `  ${cells.join(" | ")}`), ...(rest ? [`  ${rest}`] : [])].join("\n"),
  );
  const next = ["What to do next", ...steps.map(({ what, call }) => `  ${what}: ${call}`)].join("\n");
  return `${[...tables, next].join("\n\n")}\n`;
}

function asHtml({ subject, sections, steps }: AlertContent): string {
  const items = steps.map(({ what, call }) => `<li>${escapeHtml(what)}: <code>${escapeHtml(call)}</code></li>`);
  return [
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(subject)}</title></head><body>`,
    ...sections.map(sectionAsHtml),
    `<h2>What to do next</h2><ul>${items.join("")}</ul>`,
    "</body></html>",
  ].join("\n");
}

function sectionAsHtml({ title, columns, rows, rest }: Section): string {
  const row = (cells: readonly string[], tag: "th" | "td"): string =>
    `<tr>${cells.map((cell) => `<${tag} align="left">${escapeHtml(cell)}</${tag}>`).join("")}</tr>`;
  const table = `<table cellpadding="4">${row(columns, "th")}${rows.map((cells) => row(cells, "td")).join("")}</table>`;
  return `<h2>${escapeHtml(title)}</h2>${table}${rest ? `<p>${escapeHtml(rest)}</p>` : ""}`;
}

const htmlEntities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => htmlEntities[character] ?? "");
}
