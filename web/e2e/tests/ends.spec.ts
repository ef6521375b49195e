// Notifications when a watched task ends. The browser's own notifications cannot be seen by a test, so it puts a recorder in
// their place.

import { TaskAction } from "@outbound-tasks/client";
import { checkAccess, expect, isLive, rows, signIn, tenant, test } from "../support/test";

const HOUR = 3_600_000;

test("a watched task tells when it ends, once, and signing out forgets it", async ({ page, service, context }, info) => {
  await context.addInitScript(() => {
    const told: string[] = [];
    class Recorder {
      static requestPermission = async () => sessionStorage.getItem("permission") ?? "granted";
      constructor(text: string) {
        told.push(text);
      }
    }
    Object.assign(window, { Notification: Recorder, told });
  });
  const at = (hours: number) => new Date(Date.now() + hours * HOUR).toISOString();
  const times = { start_time: at(-1), end_time: at(1), target: ["c"], status: "running" };
  const key = await tenant(service, info, "ends", ["a", "b", "c"].map((name) => ({ task_id: name, name, ...times })));
  const other = service.client(service.url, key);
  const told = () => page.evaluate<string[]>("told");
  const kept = () => page.evaluate(() => localStorage.getItem("outbound-tasks.watched.ends"));

  await signIn(page, service, "tasks/a", key);
  const control = page.getByRole("switch", { name: "Tell me when it ends" });
  await page.evaluate(() => sessionStorage.setItem("permission", "denied"));
  await control.press("Space");
  await expect(page.locator(".toast")).toContainText("does not allow notifications");
  await expect(control).toHaveAttribute("aria-checked", "false");
  await page.evaluate(() => sessionStorage.removeItem("permission"));
  await control.press("Space");
  await expect(control).toHaveAttribute("aria-checked", "true");
  await checkAccess(page);

  // The menu of a row has the same switch.
  await page.goto(`${service.url}/console/?order_by=task_id&order=asc`);
  const item = async (name: string) => {
    await rows(page).filter({ hasText: name }).getByRole("button", { name: "Actions: " }).click();
    return page.getByRole("menuitemcheckbox", { name: "Tell me when it ends" });
  };
  await expect(await item("a")).toHaveAttribute("aria-checked", "true");
  await checkAccess(page);
  await page.keyboard.press("Escape");
  await (await item("b")).press("Enter");
  await expect(page.locator(".toast")).toContainText("b: you will be told");
  await isLive(page);
  expect(await kept()).toBe('["a","b"]');

  await other.act("a", TaskAction.PAUSE);
  await expect(rows(page).first().locator(".status")).toHaveText("Paused");
  await other.act("c", TaskAction.COMPLETE);
  await other.act("a", TaskAction.COMPLETE);
  await expect.poll(told).toEqual(["a: Completed"]);
  await expect.poll(kept).toBe('["b"]');

  // An end while no tab was open is told when the console is opened again.
  await page.goto("about:blank");
  await other.act("b", TaskAction.FAIL);
  await page.goto(`${service.url}/console/tasks/b`);
  await expect.poll(told).toEqual(["b: Failed"]);
  await expect(control).toHaveCount(0);
  expect(await kept()).toBeNull();

  await page.evaluate(() => localStorage.setItem("outbound-tasks.watched.ends", '["c"]'));
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByLabel("API key")).toBeVisible();
  expect(await kept()).toBeNull();
});
