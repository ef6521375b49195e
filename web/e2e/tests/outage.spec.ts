// A service that hangs or is away: the console says so soon, also while an action waits.

import { TaskAction, timestampFromDate } from "@outbound-tasks/client";
import { freePort } from "../support/service";
import { expect, isLive, picture, rows, signIn, test } from "../support/test";

test("a server that hangs is not called live for more than ten seconds", async ({ page, service }) => {
  const port = await freePort();
  const stop = await service.serve(port);
  await signIn(page, service, "?name=%23", service.key, `http://127.0.0.1:${port}`);
  await isLive(page);
  stop.signal("SIGSTOP");
  await expect(page.locator(".connection")).toHaveText("Reconnecting…", { timeout: 10_000 });
  stop.signal("SIGCONT");
  await isLive(page);
  await stop();
});

test("an action during an outage says that it waits, and is done afterwards", async ({ page, service }) => {
  const port = await freePort();
  const stop = await service.serve(port);
  const time = timestampFromDate(new Date());
  const { task } = await service.client().rpc.createOutboundTask({ task: { name: "Outage", startTime: time, endTime: time, target: [] } });
  const id = task?.taskId ?? "";
  await signIn(page, service, `?task_ids=${id}`, service.key, `http://127.0.0.1:${port}`);
  await isLive(page);
  await rows(page).first().getByRole("button", { name: "Start: Outage" }).click();
  const dialog = page.getByRole("dialog");
  await stop();
  await expect(dialog.getByText("The service cannot be reached at the moment.")).toBeVisible();
  await dialog.getByRole("button", { name: "Start" }).click();
  await expect(dialog.getByText("The service does not respond yet. Still trying…")).toBeVisible();
  await picture(page, "action-waits");
  const again = await service.serve(port);
  await expect(rows(page).first().locator(".status")).toHaveText("Running");
  await expect(dialog).toHaveCount(0);
  await again();
});

test("an action that gets no response says that it may have been done", async ({ page, service }) => {
  const time = timestampFromDate(new Date());
  const { task } = await service.client().rpc.createOutboundTask({ task: { name: "Lost", startTime: time, endTime: time, target: [] } });
  await page.addInitScript("delete window.SharedWorker");
  await page.route("**/WatchOutboundTasks", (route) => route.abort());
  await page.route("**/StartOutboundTask", (route) => route.abort());
  await signIn(page, service, `tasks/${task?.taskId}`);
  await page.getByRole("button", { name: "Start" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Start" }).click();
  await expect(page.getByRole("alert")).toContainText("It is not known whether this was done", { timeout: 20_000 });
  await service.client().act(task?.taskId ?? "", TaskAction.STOP);
});
