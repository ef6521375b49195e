// The start page: what runs now, and beside it what needs a person.

import { TaskAction } from "@outbound-tasks/client";
import { checkAccess, expect, isLive, picture, rows, signIn, tab, tenant, test } from "../support/test";

const HOUR = 3_600_000;

test("the console opens with what runs now, and links and reloads keep what they name", async ({ page, service }, info) => {
  const at = (hours: number) => new Date(Date.now() + hours * HOUR).toISOString();
  const key = await tenant(service, info, "start", [
    { task_id: "runs", name: "runs", start_time: at(-1), end_time: at(1), target: ["c"], status: "running" },
    { task_id: "late", name: "late", start_time: at(-2), end_time: at(-1), target: ["c"], status: "paused" },
    { task_id: "done", name: "done", start_time: at(-2), end_time: at(-1), target: ["c"], status: "completed", progress: 100 },
  ]);
  const ids = rows(page).locator(".c-task_id");
  await signIn(page, service, "?order_by=task_id", key);
  await expect(ids).toHaveText(["runs", "late", "done"]);
  await page.getByRole("link", { name: "Outbound tasks" }).click();
  await expect(page).toHaveURL(/\/console\/\?status=running$/);
  await expect(ids).toHaveText(["runs"]);
  await page.goBack();
  await expect(ids).toHaveText(["runs", "late", "done"]);

  await page.goto(`${service.url}/console/`);
  await expect(tab(page, "Running")).toHaveAttribute("aria-current", "true");
  await expect(ids).toHaveText(["runs"]);
  await isLive(page);
  await checkAccess(page);
  await picture(page, "start");
  // What needs a person is counted over all statuses.
  await page.getByRole("navigation", { name: "Attention" }).getByRole("link", { name: "Overdue 1" }).click();
  await expect(ids).toHaveText(["late"]);

  await tab(page, "All").click();
  await expect(ids).toHaveCount(3);
  await page.reload();
  await expect(ids).toHaveCount(3);
  const link = page.url();
  await page.goto("about:blank");
  await page.goto(link);
  await expect(ids).toHaveCount(3);

  await service.client(service.url, key).act("runs", TaskAction.PAUSE);
  await page.goto(`${service.url}/console/`);
  await expect(page.getByText("No task is running now.")).toBeVisible();
  await checkAccess(page);
  await page.getByRole("link", { name: "All tasks" }).click();
  await expect(ids).toHaveCount(3);
});

test("the start page of an empty tenant says that there are no tasks", async ({ page, service }) => {
  await service.run("tenants", "create", "start-empty");
  await signIn(page, service, "", await service.newKey("read,write", "start-empty"));
  await page.goto(`${service.url}/console/`);
  await expect(page.getByText("There are no tasks yet.")).toBeVisible();
});
