// Changes of tasks in the console, and changes by others at the same time.

import { Code, TaskAction, TaskStatus, timestampFromDate } from "@outbound-tasks/client";
import { freePort, type Service } from "../support/service";
import { checkAccess, expect, isLive, picture, rows, signIn, tab, test } from "../support/test";

/** A new task, pending. */
async function create(service: Service, name: string): Promise<string> {
  const now = Date.now();
  const [startTime, endTime] = [now, now + 3_600_000].map((time) => timestampFromDate(new Date(time)));
  const target = ["cust-1", "cust-2", "cust-3", "cust-4"];
  const { task } = await service.client().rpc.createOutboundTask({ task: { name, startTime, endTime, target } });
  return task?.taskId ?? "";
}

test("a task is started and paused, each after a question", async ({ page, service }) => {
  const id = await create(service, "Started here");
  await signIn(page, service, `?task_ids=${id}`);
  const row = rows(page).first();
  await row.getByRole("button", { name: "Start: Started here" }).click();
  const dialog = page.getByRole("dialog", { name: "Start" });
  await expect(dialog).toContainText("Started here");
  await checkAccess(page);
  await picture(page, "question");
  await page.keyboard.press("Escape");
  await expect(dialog).toHaveCount(0);
  await expect(row.locator(".status")).toHaveText("Pending");

  await row.getByRole("button", { name: "Start: Started here" }).click();
  await dialog.getByRole("button", { name: "Start" }).click();
  await expect(row.locator(".status")).toHaveText("Running");
  await expect(page.locator(".toast")).toContainText("Started here: Running");
  await expect(row.getByRole("button", { name: /^Start:/ })).toHaveCount(0);

  await row.getByRole("button", { name: "Pause: Started here" }).click();
  await page.getByRole("dialog", { name: "Pause" }).getByLabel("Reason").fill("line is down");
  await page.keyboard.press("Enter");
  await expect(row.locator(".status")).toHaveText("Paused");
  const { task } = await service.client().rpc.getOutboundTask({ taskId: id });
  expect(task?.status).toBe(TaskStatus.PAUSED);
  expect(task?.statusReason).toBe("line is down");
});

test("a question that came too late cannot be answered any more", async ({ page, service }) => {
  const id = await create(service, "Too late");
  await signIn(page, service, `?task_ids=${id}`);
  await isLive(page);
  await rows(page).first().getByRole("button", { name: "Start: Too late" }).click();
  const dialog = page.getByRole("dialog");
  await service.client().act(id, TaskAction.STOP);
  await expect(dialog.getByRole("status").filter({ hasText: "The task is now Stopped" })).toBeVisible();
  await expect(dialog.getByRole("button", { name: "Start" })).toBeDisabled();
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await expect(rows(page).first().locator(".status")).toHaveText("Stopped");
  await expect(rows(page).first().getByRole("button", { name: /^Start/ })).toHaveCount(0);
});

test("an action that came too late is rejected with a sentence", async ({ page, service }) => {
  // Without a watch, the dialog does not know. A worker's requests cannot be stopped here, so there is none.
  await page.addInitScript("delete window.SharedWorker");
  await page.route("**/WatchOutboundTasks", (route) => route.abort());
  const id = await create(service, "Not known");
  await signIn(page, service, `?task_ids=${id}`);
  await rows(page).first().getByRole("button", { name: "Start: Not known" }).click();
  await service.client().act(id, TaskAction.STOP);
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Start" }).click();
  await expect(dialog.getByRole("alert")).toContainText("The task is now Stopped");
});

test("changes by another client appear without a reload", async ({ page, service }) => {
  const other = service.client();
  const id = await create(service, "Watched");
  await signIn(page, service, "?name=Watched");
  await isLive(page);
  const row = rows(page).first();
  await expect(rows(page)).toHaveCount(1);
  await page.evaluate(() => Object.assign(window, { isSame: true }));
  await other.act(id, TaskAction.START);
  await expect(row.locator(".status")).toHaveText("Running");
  await expect(row).toHaveClass(/fresh/);
  const time = timestampFromDate(new Date());
  await other.rpc.reportTargetResults({ taskId: id, results: [{ customerId: "cust-1", state: 2, attempt: 1, time }] });
  await expect(row.locator(".percent")).toHaveText("25%");
  const second = await create(service, "Watched, too");
  await expect(rows(page)).toHaveCount(2);
  await expect(tab(page, "Pending").locator(".count")).toHaveText("1");
  await other.rpc.deleteOutboundTask({ taskId: second });
  await expect(rows(page)).toHaveCount(1);
  // A task that no longer matches the selected tab leaves the list.
  await tab(page, "Running").click();
  await expect(rows(page)).toHaveCount(1);
  await other.act(id, TaskAction.COMPLETE);
  await expect(rows(page)).toHaveCount(0);
  await expect(tab(page, "Completed").locator(".count")).toHaveText("1");
  expect(await page.evaluate("isSame")).toBe(true);
});

test("the console survives a restart of the service and misses no change", async ({ page, service }) => {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const stop = await service.serve(port);
  const id = await create(service, "Outlives a restart");
  await signIn(page, service, "?name=Outlives", service.key, url);
  await isLive(page);
  await expect(rows(page)).toHaveCount(1);
  await stop();
  await expect(page.locator(".connection")).toHaveText("Reconnecting…");
  await expect(rows(page)).toHaveCount(1);
  await picture(page, "reconnecting");
  // On another server of the service, while this one is down.
  await service.client().act(id, TaskAction.START);
  const again = await service.serve(port);
  await isLive(page);
  await expect(rows(page).first().locator(".status")).toHaveText("Running");
  await expect(page.locator(".notice")).toHaveCount(0);
  await again();
});

test("a list that cannot be read shows the error, and recovers by itself", async ({ page, service }) => {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const stop = await service.serve(port);
  await signIn(page, service, "?name=车险", service.key, url);
  await expect(rows(page).first()).toBeVisible();
  await stop();
  await tab(page, "Failed").click();
  await expect(page.getByText("The service cannot be reached")).toBeVisible();
  await picture(page, "unreachable");
  const again = await service.serve(port);
  await expect(rows(page).locator(".status").first()).toHaveText("Failed");
  await expect(page.getByText("The service cannot be reached")).toHaveCount(0);
  await again();
});

test("a task's page shows targets, results and events, and follows them", async ({ page, service }) => {
  const other = service.client();
  const id = await create(service, "Looked at");
  await other.act(id, TaskAction.START, "as planned");
  await signIn(page, service, "?name=Looked");
  await page.getByRole("link", { name: "Looked at" }).click();
  await expect(page).toHaveURL(new RegExp(`/console/tasks/${id}$`));
  await expect(page.getByRole("heading", { name: "Looked at" })).toBeFocused();
  await expect(page.locator(".events")).toContainText("as planned");
  await expect(page.getByRole("table", { name: "Targets" }).locator("tbody tr")).toHaveCount(4);
  await isLive(page);
  const time = timestampFromDate(new Date());
  await other.rpc.reportTargetResults({
    taskId: id,
    results: [
      { customerId: "cust-2", state: 2, attempt: 1, time },
      { customerId: "cust-3", state: 4, attempt: 2, time },
    ],
  });
  await expect(page.getByText("1 of 4 targets need no further call.")).toBeVisible();
  const target = page.getByRole("row", { name: /cust-3/ });
  await expect(target).toContainText("Busy");
  await expect(page.locator(".events > li").first()).toContainText("Results reported");
  await page.getByRole("combobox", { name: "Result" }).selectOption({ label: "Answered (1)" });
  await expect(page.getByRole("table", { name: "Targets" }).locator("tbody tr")).toHaveCount(1);
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Pause" }).click();
  await expect(page.locator(".head .status")).toHaveText("Paused");
  await expect(page.locator(".events > li").first()).toContainText("Status: Running → Paused");
  await checkAccess(page);
  await other.rpc.deleteOutboundTask({ taskId: id });
  await expect(page.getByText("This task was deleted.")).toBeVisible();
  await expect(page.locator(".events > li").first()).toContainText("Deleted");
  await picture(page, "deleted");
  await page.getByRole("link", { name: "Back to the list" }).click();
  await expect(page).toHaveURL(/\?name=Looked$/);
  const error = await other.rpc.getOutboundTask({ taskId: id }).catch((error) => error);
  expect(error.code).toBe(Code.NotFound);
});

test("many targets are read by pages", async ({ page, service }) => {
  const now = timestampFromDate(new Date());
  const target = Array.from({ length: 50 }, (_, n) => `c${String(n).padStart(3, "0")}`);
  await service.client().rpc.createOutboundTask({
    task: { taskId: "many/ targets", name: "Many targets", startTime: now, endTime: now, target },
  });
  await signIn(page, service, `tasks/${encodeURIComponent("many/ targets")}`);
  const customers = page.getByRole("table", { name: "Targets" }).locator("tbody tr td:first-child");
  await expect(customers.first()).toHaveText("c000");
  await page.getByRole("button", { name: "Next page" }).click();
  await expect(customers.first()).toHaveText("c020");
  await page.getByRole("button", { name: "Next page" }).click();
  await expect(customers.first()).toHaveText("c040");
  await expect(customers).toHaveCount(10);
  await page.getByRole("button", { name: "Previous page" }).click();
  await expect(customers.first()).toHaveText("c020");
  await page.goto(`${service.url}/console/tasks/nobody`);
  await expect(page.getByRole("heading", { name: "Task nobody does not exist." })).toBeVisible();
  await checkAccess(page);
});
