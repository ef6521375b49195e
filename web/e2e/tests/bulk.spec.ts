// One action on many tasks: on a selection, and on all of a list.

import { TaskAction, TaskStatus } from "@outbound-tasks/client";
import { checkAccess, expect, isLive, picture, rows, signIn, tenant, test } from "../support/test";

const HOUR = 3_600_000;

function many(count: number): object[] {
  const times = { start_time: new Date(Date.now() + 24 * HOUR).toISOString(), end_time: new Date(Date.now() + 25 * HOUR).toISOString() };
  return Array.from({ length: count }, (_, n) => ({ task_id: `b${String(n).padStart(2, "0")}`, name: `bulk ${n}`, ...times }));
}

test("selected tasks are started, and the dialog tells which will not be", async ({ page, service }, info) => {
  const key = await tenant(service, info, "bulk-selected", many(5));
  const other = service.client(service.url, key);
  await other.act("b01", TaskAction.STOP);
  await signIn(page, service, "?order_by=task_id&order=asc", key);
  await isLive(page);
  await page.getByRole("checkbox", { name: "Select bulk 0" }).check();
  await page.getByRole("checkbox", { name: "Select bulk 1" }).check();
  await page.getByRole("checkbox", { name: "Select bulk 3" }).check();
  const bar = page.getByRole("group", { name: "Selected tasks" });
  await expect(bar).toContainText("3 selected");
  await checkAccess(page);
  await picture(page, "selection");
  await bar.getByRole("button", { name: "Start" }).click();
  const dialog = page.getByRole("dialog", { name: "Start" });
  await expect(dialog).toContainText("Of 3 tasks, 2 will change.");
  await expect(dialog).toContainText("Not possible for 1, because of their status: Stopped: 1");
  await dialog.getByText("Not possible for 1").click();
  await expect(dialog.getByRole("link", { name: "bulk 1", exact: true })).toBeVisible();
  await expect(dialog.getByRole("listitem")).toHaveText("bulk 1 b01 Stopped");
  await checkAccess(page);
  await picture(page, "bulk");
  await dialog.getByLabel("Reason").fill("all at once");
  await dialog.getByRole("button", { name: "Start: 2" }).click();
  await expect(page.locator(".toast")).toContainText("Start: 2 tasks");
  await expect(rows(page).locator(".status")).toHaveText(["Running", "Stopped", "Pending", "Running", "Pending"]);
  await expect(bar).toHaveCount(0);
  expect((await other.rpc.getOutboundTask({ taskId: "b03" })).task?.statusReason).toBe("all at once");
});

test("all tasks of a list are stopped, on all its pages, and a change meanwhile is noticed", async ({ page, service }, info) => {
  const key = await tenant(service, info, "bulk-all", many(30));
  const other = service.client(service.url, key);
  await signIn(page, service, "?status=pending&order_by=task_id&order=asc", key);
  await expect(rows(page)).toHaveCount(20);
  await page.getByRole("checkbox", { name: "Select all tasks of this page" }).check();
  const bar = page.getByRole("group", { name: "Selected tasks" });
  await expect(bar).toContainText("20 selected");
  await bar.getByRole("button", { name: "Select all 30 of this list" }).click();
  await expect(bar).toContainText("30 selected");
  await bar.getByRole("button", { name: "Stop" }).click();
  const dialog = page.getByRole("dialog", { name: "Stop" });
  await expect(dialog.getByRole("button", { name: "Stop: 30" })).toBeEnabled();
  await other.act("b29", TaskAction.START);
  await dialog.getByRole("button", { name: "Stop: 30" }).click();
  await expect(dialog.getByRole("alert")).toContainText("29 tasks would change, which is not the expected number.");
  await dialog.getByRole("button", { name: "Stop: 29" }).click();
  await expect(rows(page)).toHaveCount(0);
  const { total } = await other.list({ status: [TaskStatus.STOPPED] });
  expect(total).toBe(29);
});

test("a selection lasts over pages, and ends with another filter", async ({ page, service }, info) => {
  const key = await tenant(service, info, "bulk-pages", many(30));
  await signIn(page, service, "?order_by=task_id&order=asc", key);
  await page.getByRole("checkbox", { name: "Select bulk 0" }).check();
  await page.getByRole("link", { name: "Next page" }).click();
  await page.getByRole("checkbox", { name: "Select bulk 25" }).check();
  await expect(page.getByText("2 selected")).toBeVisible();
  await page.getByRole("searchbox").fill("bulk 1");
  await expect(page.getByText("2 selected")).toHaveCount(0);
});
