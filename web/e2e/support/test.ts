// The fixtures of every test: the service, a page with checks of errors, and helpers to find elements.

import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test as base, expect, type Locator, type Page, type TestInfo } from "@playwright/test";
import type { AxeResults } from "axe-core";
import { Service } from "./service";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const SCREENS = new URL("../output/screens/", import.meta.url).pathname;

export { expect };

export const test = base.extend<{ service: Service; guarded: void }, { started: Service }>({
  started: [
    async ({}, use) => {
      const service = await Service.start();
      await use(service);
      await service.stop();
    },
    { scope: "worker", timeout: 90_000 },
  ],
  service: ({ started }, use) => use(started),
  // In every test: no script fails, nothing violates the content security policy, no request goes to another host, and no
  // address contains a key.
  guarded: [
    async ({ page, service }, use) => {
      const problems: string[] = [];
      page.on("pageerror", (error) => problems.push(`script: ${error.message}`));
      page.on("console", (message) => {
        if (/Content Security Policy|Refused to/.test(message.text())) {
          problems.push(`policy: ${message.text()}`);
        }
      });
      page.on("request", (request) => {
        const url = request.url();
        if (new URL(url).hostname !== new URL(service.url).hostname) {
          problems.push(`another host: ${url}`);
        }
        if (url.includes("otk_")) {
          problems.push(`a key in an address: ${url}`);
        }
      });
      await use();
      expect(problems).toEqual([]);
    },
    { auto: true },
  ],
});

/** Opens the console and signs in; without a path, at the list of all tasks. */
export async function signIn(page: Page, service: Service, path = "", key = service.key, url = service.url): Promise<void> {
  await page.goto(`${url}/console/${path || "?status="}`);
  await page.locator('input[name="key"]').fill(key);
  await page.locator("form.login button").click();
  await expect(page.locator("form.login")).toHaveCount(0);
}

/** The rows of the list. */
export function rows(page: Page) {
  return page.locator("table.tasks tbody tr");
}

/** The tab of a status, by its class. */
export function tab(page: Page, name: string) {
  return page.getByRole("navigation", { name: "Status" }).getByRole("link", { name: new RegExp(`^${name}`) });
}

export async function isLive(page: Page): Promise<void> {
  await expect(page.locator(".connection")).toHaveClass(/\blive\b/);
}

/** Saves a screenshot of the window for people. */
export async function picture(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: `${SCREENS}${name}.png`, animations: "disabled" });
}

/** axe finds nothing, of any severity. While a list is read again, its rows are dimmed for a moment. */
export async function checkAccess(page: Page): Promise<void> {
  await page.evaluate(AXE);
  await expect(async () => {
    await expect(page.locator(".loading")).toHaveCount(0);
    const { violations } = (await page.evaluate("axe.run(document)")) as AxeResults;
    const found = violations.map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes.map((node) => node.html).join(" | ")}`);
    expect(found).toEqual([]);
  }).toPass({ timeout: 20_000 });
}

/** A new tenant with these tasks. Returns its key. */
export async function tenant(service: Service, info: TestInfo, name: string, tasks: object[]): Promise<string> {
  await service.run("tenants", "create", name);
  const file = info.outputPath(`${name}.ndjson`);
  writeFileSync(file, tasks.map((task) => `${JSON.stringify(task)}\n`).join(""));
  await service.run("import", file, "--tenant", name);
  return service.newKey("read,write", name);
}

/** Nothing of an element is cut off, by itself or by an element around it up to its cell. */
export async function isWhole(text: Locator): Promise<void> {
  await expect(text.first()).toBeAttached();
  const cut = await text.evaluateAll((elements) =>
    elements.filter((element) => {
      const box = element.getBoundingClientRect();
      for (let around: Element | null = element; around; around = around.parentElement) {
        const edge = around.getBoundingClientRect();
        if (around.scrollWidth > around.clientWidth + 1 && getComputedStyle(around).overflowX === "hidden" && box.right > edge.right + 1) {
          return true;
        }
        if (around.tagName === "TD") {
          return box.right > edge.right + 1 || box.bottom > edge.bottom + 1;
        }
      }
      return false;
    }).map((element) => element.textContent),
  );
  expect(cut).toEqual([]);
}
