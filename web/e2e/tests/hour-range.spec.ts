// Hours in the date filter: from an hour of a day to an hour of a day.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Page } from "@playwright/test";
import { dayName, today } from "../support/data";
import { checkAccess, expect, picture, rows, signIn, tab, tenant, test } from "../support/test";

const HOUR = 3_600_000;
const found = (page: Page) => rows(page).locator(".c-task_id");
const hour = (page: Page, name: string) => page.getByRole("combobox", { name });

test("today from nine to twelve, in the list, its address, commands and exports", async ({ page, service, context }, info) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const at = (hours: number) => new Date(today() + hours * HOUR).toISOString();
  const task = (task_id: string, from: number, to: number) => ({ task_id, name: task_id, start_time: at(from), end_time: at(to), status: "completed" });
  const key = await tenant(service, info, "hours-of-a-day", [
    task("a-until-nine", 8, 9), task("b-from-eight", 8, 10), task("c-eleven", 11, 11.5), task("d-from-twelve", 12, 13), task("e-late", 23, 24),
  ]);
  await signIn(page, service, "?order_by=task_id&order=asc", key);
  await expect(rows(page)).toHaveCount(5);
  await page.getByRole("button", { name: "Today", exact: true }).click();
  await hour(page, "From hour").selectOption("09:00");
  await hour(page, "To hour").selectOption("12:00");
  await expect(found(page)).toHaveText(["b-from-eight", "c-eleven"]);
  await expect(page).toHaveURL(new RegExp(`start_date=${dayName()}T09%3A00&end_date=${dayName()}T12%3A00&date_field=window`));
  await expect(tab(page, "All").locator(".count")).toHaveText("2");
  // No hour with which nothing would be left.
  await expect(hour(page, "To hour").getByRole("option", { name: "09:00" })).toBeDisabled();
  await expect(hour(page, "From hour").getByRole("option", { name: "12:00" })).toBeDisabled();
  await checkAccess(page);
  await picture(page, "hour-range");
  await page.reload();
  await expect(found(page)).toHaveText(["b-from-eight", "c-eleven"]);
  await expect(hour(page, "From hour")).toHaveValue("9");

  await page.getByRole("button", { name: "More about this list" }).click();
  await page.getByRole("menuitem", { name: "Copy as curl" }).click();
  await expect(page.locator(".toast")).toContainText("Copied.");
  const command = await page.evaluate(() => navigator.clipboard.readText());
  const { stdout } = await promisify(execFile)("sh", ["-c", command], { env: { ...process.env, OUTBOUND_TASKS_API_KEY: key } });
  expect(JSON.parse(stdout)).toMatchObject({ total: 2 });
  await page.getByRole("button", { name: "Export…" }).click();
  await page.getByRole("combobox", { name: "Format" }).selectOption("xlsx");
  const answered = page.waitForResponse(/:export\?/);
  await page.getByRole("dialog").getByRole("button", { name: "Export" }).click();
  expect((await answered).status()).toBe(200);
  await expect(page.getByRole("dialog")).toHaveCount(0);

  // The hours stay with another field and another day, and the end of a day is the whole day.
  await page.getByRole("combobox", { name: "Date" }).selectOption({ label: "Start" });
  await expect(found(page)).toHaveText(["c-eleven"]);
  await hour(page, "To hour").selectOption("24:00");
  await expect(page).toHaveURL(new RegExp(`end_date=${dayName()}(&|$)`));
  await expect(found(page)).toHaveText(["c-eleven", "d-from-twelve", "e-late"]);
  await page.getByRole("button", { name: "Clear filters" }).click();
  await expect(rows(page)).toHaveCount(5);
  // Without a day, it is today.
  await hour(page, "From hour").selectOption("23:00");
  await expect(found(page)).toHaveText(["e-late"]);

  // An hour of the picture leads to its tasks.
  await page.getByText("When tasks run").click();
  await expect(page.getByText("Busiest:")).toBeVisible();
  await page.locator("table.grid tbody tr").first().locator("td").nth(8).getByRole("link").click();
  await expect(found(page)).toHaveText(["a-until-nine", "b-from-eight"]);
  await expect(hour(page, "To hour")).toHaveValue("9");
  await page.locator("table.grid tbody tr").first().locator("td").nth(23).getByRole("link").click();
  await expect(found(page)).toHaveText(["e-late"]);
});

test.describe("where clocks change", () => {
  test.use({ timezoneId: "Europe/Berlin", locale: "zh-CN", colorScheme: "dark", viewport: { width: 390, height: 844 } });

  test("an hour that is skipped cannot be chosen, and one that comes twice is two hours", async ({ page, service }, info) => {
    const span = (task_id: string, start_time: string, end_time: string) => ({ task_id, name: task_id, start_time, end_time });
    const key = await tenant(service, info, "hours-clocks", [
      span("first", "2026-10-25T00:10:00Z", "2026-10-25T00:20:00Z"), // 02:10, summer time
      span("second", "2026-10-25T01:10:00Z", "2026-10-25T01:20:00Z"), // 02:10, winter time
      span("third", "2026-10-25T02:10:00Z", "2026-10-25T02:20:00Z"), // 03:10
    ]);
    await signIn(page, service, "?order_by=task_id&order=asc&start_date=2026-10-25T02:00&end_date=2026-10-25T03:00", key);
    await expect(found(page)).toHaveText(["first", "second"]);
    await page.goto(`${service.url}/console/?start_date=2026-03-29&end_date=2026-03-29`);
    await page.locator(".toggle").click();
    await expect(hour(page, "从几点").getByRole("option", { name: "02:00" })).toBeDisabled();
    await expect(hour(page, "从几点").getByRole("option", { name: "03:00" })).toBeEnabled();
    await checkAccess(page);
    await picture(page, "hour-range-390");
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    expect(overflow).toBeLessThanOrEqual(0);
  });
});

test("parts of an address that are no hour are left out", async ({ page, service }) => {
  await signIn(page, service, "?start_date=2026-03-01T09:30&end_date=2026-03-01T25:00&task_ids=T000001");
  await expect(rows(page)).toHaveCount(1);
  await expect(hour(page, "From hour")).toHaveValue("0");
});
