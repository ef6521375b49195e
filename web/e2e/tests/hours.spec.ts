// The picture of a week: every cell is what the tasks say.

import { type Page } from "@playwright/test";
import { tasks, today } from "../support/data";
import { expect, signIn, test } from "../support/test";

const HOUR = 3_600_000;

/** How many tasks run in each hour of this week, by the tests' own count. */
function counted(isIn: (name: string) => boolean): number[] {
  const counts = Array.from({ length: 7 * 24 }, () => 0);
  for (const { start_time, end_time } of tasks().filter(({ name }) => isIn(name))) {
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
  expect(await cells(page)).toEqual(counted((name) => name.includes("车险续保")));
  await page.getByRole("button", { name: "Later days" }).click();
  await expect(page.getByText("None runs in these days.")).toBeVisible();
});

test("many are counted by the service, hour by hour", async ({ page, service }) => {
  const lists: number[] = [];
  page.on("request", (request) => {
    if (request.url().endsWith("/ListOutboundTasks")) {
      lists.push(1);
    }
  });
  await signIn(page, service, "?name=%23");
  await page.getByText("When tasks run").click();
  await expect(page.getByText("Busiest:")).toBeVisible({ timeout: 20_000 });
  expect(await cells(page)).toEqual(counted((name) => name.includes("#")));
  expect(lists.length).toBeGreaterThan(168);
});
