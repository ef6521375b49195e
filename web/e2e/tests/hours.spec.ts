// The chart of a week: every cell agrees with the tasks.

import { writeFileSync } from "node:fs";
import { type Page } from "@playwright/test";
import { type Task, tasks, today } from "../support/data";
import { checkAccess, expect, rows, signIn, tab, tenant, test } from "../support/test";

const HOUR = 3_600_000;

/** Number of tasks in each hour of this week, counted by the test. */
function counted(isIn: (task: Task) => boolean): number[] {
  const counts = Array.from({ length: 7 * 24 }, () => 0);
  for (const { start_time, end_time } of tasks().filter(isIn)) {
    for (const hour of counts.keys()) {
      const from = today() + hour * HOUR;
      if (Date.parse(start_time) < from + HOUR && Date.parse(end_time) > from) {
        counts[hour] = (counts[hour] ?? 0) + 1;
      }
    }
  }
  return counts;
}

async function cells(page: Page): Promise<number[]> {
  return (await page.locator("table.grid tbody td").allTextContents()).map((text) => (text === "" ? Number.NaN : Number(text)));
}

test("few tasks are read and counted", async ({ page, service }) => {
  await signIn(page, service, "?name=车险续保");
  await page.getByText("When tasks run").click();
  await expect(page.getByText("Busiest:")).toBeVisible();
  expect(await cells(page)).toEqual(counted(({ name, status }) => name.includes("车险续保") && (status === "running" || status === "completed")));
  await page.getByRole("button", { name: "Later days" }).click();
  await expect(page.getByText("No task runs in these days.")).toBeVisible();
});

test("many are counted by the service, hour by hour", async ({ page, service }, info) => {
  const key = await tenant(service, info, "many-hours", tasks().map((task) => ({ ...task, status: "completed" })));
  const lists: number[] = [];
  page.on("request", (request) => {
    if (request.url().endsWith("/ListOutboundTasks")) {
      lists.push(1);
    }
  });
  await signIn(page, service, "", key);
  await page.getByText("When tasks run").click();
  await expect(page.getByText("Busiest:")).toBeVisible({ timeout: 20_000 });
  expect(await cells(page)).toEqual(counted(() => true));
  expect(lists.length).toBeGreaterThan(168);
});

test("only what ran counts, and the keyboard leads to the tasks of an hour", async ({ page, service }, info) => {
  const times = { start_time: new Date(Date.now() - HOUR).toISOString(), end_time: new Date(Date.now() + HOUR).toISOString() };
  const statuses = ["pending", "running", "paused", "completed", "stopped", "failed"];
  const key = await tenant(service, info, "ran", statuses.map((status) => ({ task_id: status, name: status, status, ...times })));
  await signIn(page, service, "?order_by=task_id&order=asc", key);
  await page.getByText("When tasks run").click();
  await expect(page.locator(".grid .now")).toHaveText("2");
  await expect(page.getByText("Running and completed tasks count")).toBeVisible();
  await checkAccess(page);
  const hour = page.locator(".grid .now a");
  const day = page.locator(".grid tr", { has: page.locator("td.now") }).locator("th a");
  await day.focus();
  for (let presses = 0; presses < 3 && !(await hour.evaluate((link) => link === document.activeElement)); presses += 1) {
    await page.keyboard.press("ArrowRight");
  }
  await expect(hour).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/status=running,completed&/);
  await expect(rows(page).locator(".c-task_id")).toHaveText(["completed", "running"]);
  await tab(page, "Pending").click();
  await expect(page.getByText("The list has only tasks that do not count here.")).toBeVisible();
});

test.describe("on the day that clocks go forward", () => {
  test.use({ timezoneId: "Europe/Berlin" });

  test("the hour that they skip has no tasks", async ({ page, service }, info) => {
    await service.run("tenants", "create", "clocks");
    // From half past one to half past three: at this change of clocks that is one hour.
    const span = { start_time: "2026-03-29T00:30:00Z", end_time: "2026-03-29T01:30:00Z", status: "completed" };
    const named = (name: string, count: number) => Array.from({ length: count }, (_, n) => ({ task_id: `${name}${n}`, name, ...span }));
    const file = info.outputPath("clocks.ndjson");
    writeFileSync(file, [...named("one", 1), ...named("many", 5001)].map((task) => `${JSON.stringify(task)}\n`).join(""));
    await service.run("import", file, "--tenant", "clocks");
    await signIn(page, service, "?name=one&start_date=2026-03-29", await service.newKey("read", "clocks"));
    await page.getByText("When tasks run").click();
    for (const [name, count] of [["one", "1"], ["many", "5.0k"]] as const) {
      await page.goto(`${service.url}/console/?name=${name}&start_date=2026-03-29`);
      await expect(page.getByText("Busiest:")).toBeVisible({ timeout: 20_000 });
      const hours = await page.locator("table.grid tbody td").allTextContents();
      expect(hours.slice(0, 5)).toEqual(["0", count, "0", count, "0"]);
    }
  });
});
