// Keys: a valid one, invalid ones, a revoked one, and one that may only read.

import { checkAccess, expect, isLive, picture, rows, signIn, tenant, test } from "../support/test";

test("a wrong key is refused, a good one is never stored on disk", async ({ page, service }) => {
  await page.goto(`${service.url}/console/?status=running`);
  // A tab first asks the other tabs for a key.
  await expect(page.getByLabel("API key")).toBeVisible();
  await checkAccess(page);
  await picture(page, "login");
  await page.getByLabel("API key").fill("otk_demo.nobody00_wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("alert")).toContainText("This key is not accepted");
  await picture(page, "login-wrong");
  await checkAccess(page);
  await page.getByLabel("API key").fill(service.key);
  await page.keyboard.press("Enter");
  await expect(rows(page).first()).toBeVisible();

  expect(page.url()).toBe(`${service.url}/console/?status=running`);
  const kept = await page.evaluate(() => [JSON.stringify(sessionStorage), JSON.stringify(localStorage), document.cookie]);
  expect(kept[0]).toContain(service.key);
  expect(kept[1]).not.toContain("otk_");
  expect(kept[2]).toBe("");
  await page.reload();
  await expect(rows(page).first()).toBeVisible();
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByLabel("API key")).toBeVisible();
  expect(await page.evaluate(() => JSON.stringify(sessionStorage))).not.toContain("otk_");
});

test("a key that is revoked ends the session, and says why", async ({ page, service }) => {
  const key = await service.newKey("read,write");
  await signIn(page, service, "?status=paused", key);
  await isLive(page);
  await service.revoke(key);
  await expect(page.getByRole("status").filter({ hasText: "The key is no longer accepted" })).toBeVisible();
  expect(await page.evaluate(() => JSON.stringify(sessionStorage))).not.toContain("otk_");
  await picture(page, "login-revoked");
  // With another key, a user continues on the same page.
  await page.getByLabel("API key").fill(service.key);
  await page.keyboard.press("Enter");
  await expect(rows(page).first()).toContainText("Paused");
});

test("after signing in with the key of another tenant, no row of the one before is shown", async ({ page, service }, info) => {
  const times = { start_time: "2025-12-02T02:00:00Z", end_time: "2025-12-02T03:00:00Z" };
  const key = await tenant(service, info, "next-tenant", [{ task_id: "next", name: "of the next tenant", ...times }]);
  await signIn(page, service);
  await expect(rows(page)).toHaveCount(20);
  await page.getByRole("button", { name: "Sign out" }).click();
  // The lists of the new session wait; its first call only checks the key.
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let calls = 0;
  await page.route("**/ListOutboundTasks", async (route) => {
    calls += 1;
    if (calls > 1) {
      await held;
    }
    await route.continue();
  });
  await page.locator('input[name="key"]').fill(key);
  await page.locator("form.login button").click();
  await expect(page.locator(".who")).toContainText("next-tenant");
  await expect(page.locator(".skeleton")).toBeVisible();
  await expect(rows(page)).toHaveCount(0);
  release();
  await expect(rows(page).locator(".c-task_id")).toHaveText(["next"]);
});

test("a key without the scope write changes nothing, and the console says so", async ({ page, service }) => {
  const key = await service.newKey("read");
  await signIn(page, service, "?status=running", key);
  await expect(page.getByText("This key is read-only")).toBeVisible();
  await expect(page.locator(".who")).toHaveText("demo · e2e · read");
  const buttons = rows(page).getByRole("button", { name: /^Pause:/ });
  await expect(buttons.first()).toBeDisabled();
  expect(await buttons.count()).toBe(20);
  await expect(rows(page).locator("button:enabled:not(.menu-button)")).toHaveCount(0);
  await expect(page.getByRole("button", { name: "New task" })).toBeDisabled();
  await rows(page).first().getByRole("button", { name: /^Actions:/ }).click();
  await expect(page.getByRole("menuitem", { name: "Delete…" })).toBeDisabled();
  await expect(page.getByRole("menuitemcheckbox", { name: "Tell me when it ends" })).toBeFocused();
  await page.keyboard.press("Escape");
  await checkAccess(page);
  await picture(page, "read-only");
});

test("a key without the scope read is refused", async ({ page, service }) => {
  await page.goto(`${service.url}/console/`);
  await page.getByLabel("API key").fill(await service.newKey("write"));
  await page.keyboard.press("Enter");
  await expect(page.getByRole("alert")).toContainText("is not allowed to read tasks");
});
