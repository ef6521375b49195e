// The wallboard: the figures, live, dark, with the way back and what fills the screen as only controls, and marked when they are old.

import { TaskAction } from "@outbound-tasks/client";
import { freePort } from "../support/service";
import { checkAccess, expect, picture, signIn, tenant, test } from "../support/test";

const HOUR = 3_600_000;

test("the wallboard shows what runs, follows its filter, and says when its data are old", async ({ page, service }, info) => {
  test.setTimeout(60_000);
  const at = (hours: number) => new Date(Date.now() + hours * HOUR).toISOString();
  const result = (customer_id: string, state: string) => ({ customer_id, state, attempt: 1, time: at(-0.5) });
  const target_results = [result("a", "answered"), result("b", "busy"), result("c", "answered")];
  const running = { target: ["a", "b", "c", "d"], target_results, start_time: at(-1), end_time: at(1), status: "running" };
  const key = await tenant(service, info, "wall", [
    { task_id: "one", name: "east one", progress: 40, ...running },
    { task_id: "two", name: "east two", progress: 60, ...running },
    { task_id: "three", name: "west", progress: 60, ...running },
    { task_id: "late", name: "east late", start_time: at(-2), end_time: at(-1), target: ["a"], status: "paused" },
  ]);
  const port = await freePort();
  const stop = await service.serve(port);
  await signIn(page, service, "?name=east", key, `http://127.0.0.1:${port}`);
  await page.getByRole("button", { name: "More about this list" }).click();
  await page.getByRole("menuitem", { name: "Wallboard" }).click();
  await expect(page).toHaveURL(/\/console\/wall\?name=east$/);
  const tile = (name: string) => page.locator(".tiles div", { hasText: name }).locator("dd");
  await expect(tile("Running").first()).toHaveText("2");
  await expect(tile("Paused")).toHaveText("1");
  await expect(tile("Connect rate")).toContainText("67%");
  await expect(tile("Connect rate")).toContainText("4 answered of 6 called");
  await expect(tile("Overdue")).toHaveText("1");
  await expect(page.locator(".bars li")).toHaveCount(2);
  await expect(page.locator(".bars li", { hasText: "east two" })).toContainText("60%");
  // Dark on a light system, and nothing to press but the way back and what fills the screen.
  expect(await page.evaluate(() => getComputedStyle(document.body).backgroundColor)).toBe("rgb(12, 16, 18)");
  await expect(page.getByRole("button")).toHaveText(["Full screen"]);
  await page.getByRole("button", { name: "Full screen" }).click();
  await expect(page.getByRole("button")).toHaveCount(0);
  await expect(page.getByRole("link")).toHaveCount(0);
  expect(await page.evaluate(() => document.fullscreenElement?.tagName)).toBe("HTML");
  await page.evaluate(() => document.exitFullscreen());
  await expect(page.getByRole("button")).toHaveCount(1);
  await expect(page.locator(".age")).not.toHaveClass(/old/);
  await checkAccess(page);
  await picture(page, "wall");
  await page.setViewportSize({ width: 390, height: 844 });
  await checkAccess(page);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(overflow, "nothing is wider than the window").toBeLessThanOrEqual(0);
  await picture(page, "wall-390");
  await page.setViewportSize({ width: 1920, height: 1080 });

  await service.client(service.url, key).act("one", TaskAction.PAUSE);
  await expect(tile("Paused")).toHaveText("2");
  await expect(page.locator(".bars li")).toHaveCount(1);
  await page.reload();
  await expect(tile("Paused")).toHaveText("2");

  stop.signal("SIGSTOP");
  try {
    await expect(page.getByRole("alert")).toContainText("Old data", { timeout: 15_000 });
    await checkAccess(page);
    await picture(page, "wall-old");
  } finally {
    stop.signal("SIGCONT");
  }
  await expect(page.getByRole("alert")).toHaveCount(0);
  await page.keyboard.press("Escape");
  await expect(page).toHaveURL(/\/console\/\?name=east$/);
  await page.goBack();
  await page.getByRole("link", { name: "Back to the list" }).click();
  await expect(page).toHaveURL(/\/console\/\?name=east$/);
  await expect(page.getByRole("button", { name: "Sign out" })).toBeVisible();
});
