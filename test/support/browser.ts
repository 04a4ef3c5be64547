// A real browser: Chromium without a screen, from the package registry.
import chromium from "@sparticuz/chromium";
import { launch, type Browser, type Page } from "puppeteer-core";

export const startBrowser = async (): Promise<Browser> =>
  launch({ executablePath: await chromium.executablePath(), args: chromium.args, headless: "shell" });

export interface WatchedPage {
  page: Page;
  /** Hosts that the page has asked. */
  hosts: Set<string>;
  /** What went wrong in it: exceptions, and what its policy forbade. */
  problems: string[];
}

export async function openPage(browser: Browser, url: string): Promise<WatchedPage> {
  const page = await browser.newPage();
  const hosts = new Set<string>();
  const problems: string[] = [];
  page.on("request", (request) => {
    const { protocol, host } = new URL(request.url());
    if (protocol.startsWith("http")) hosts.add(host);
  });
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") problems.push(message.text());
  });
  await page.goto(url, { waitUntil: "load" });
  return { page, hosts, problems };
}
