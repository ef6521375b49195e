// The tasks that need a person: a tab with their number, and each reason.

import { TaskAction } from "@outbound-tasks/client";
import { checkAccess, expect, picture, rows, signIn, tab, tenant, test } from "../support/test";

const HOUR = 3_600_000;

test("the tab counts the tasks that need a person, and each reason leads to its tasks", async ({ page, service }, info) => {
  const at = (hours: number) => new Date(Date.now() + hours * HOUR).toISOString();
  const key = await tenant(service, info, "attention", [
    { task_id: "fine", name: "fine", start_time: at(1), end_time: at(2), target: ["c"] },
    { task_id: "late", name: "late", start_time: at(-2), end_time: at(-1), target: ["c"], status: "running" },
    { task_id: "none", name: "none", start_time: at(1), end_time: at(2) },
  ]);
  await signIn(page, service, "?order_by=task_id&order=asc", key);
  await expect(tab(page, "Attention").locator(".count")).toHaveText("2");
  await tab(page, "Attention").click();
  await expect(page).toHaveURL(/attention=overdue,stalled,finished_unended,unstarted,empty/);
  await expect(tab(page, "Attention")).toHaveAttribute("aria-current", "true");
  await expect(tab(page, "All")).not.toHaveAttribute("aria-current", "true");
  await expect(rows(page).locator(".c-task_id")).toHaveText(["late", "none"]);
  // All tasks are three, and not the two of this tab.
  await expect(tab(page, "All").locator(".count")).toHaveText("");
  await checkAccess(page);
  await picture(page, "attention");
  await page.getByRole("link", { name: "Without customers 1" }).click();
  await expect(rows(page).locator(".c-task_id")).toHaveText(["none"]);
  await page.reload();
  await expect(rows(page).locator(".c-task_id")).toHaveText(["none"]);
  await service.client(service.url, key).act("none", TaskAction.STOP);
  await expect(rows(page)).toHaveCount(0);
});
