// Keys of the tenant, managed in the console by a key with the scope admin.

import { checkAccess, expect, isLive, picture, signIn, test } from "../support/test";

test("a key with the scope admin creates a key and revokes it", async ({ page, service, browser }) => {
  await signIn(page, service);
  await page.getByRole("button", { name: "API keys" }).click();
  const dialog = page.getByRole("dialog", { name: "API keys" });
  await dialog.getByLabel("Name of a new key").fill("night shift");
  await dialog.getByRole("checkbox", { name: "write" }).check();
  await dialog.getByRole("combobox", { name: "Valid" }).selectOption("30");
  await dialog.getByRole("button", { name: "Create key" }).click();
  const key = (await dialog.locator(".secret").textContent()) ?? "";
  expect(key).toMatch(/^otk_demo\./);
  await expect(dialog.getByRole("row", { name: /night shift/ })).toContainText("read, write");
  await checkAccess(page);
  await picture(page, "keys");

  // The new key works in another browser until it is revoked.
  const context = await browser.newContext();
  const other = await context.newPage();
  await signIn(other, service, "?status=running", key);
  await isLive(other);
  await expect(other.getByRole("button", { name: "API keys" })).toHaveCount(0);
  await expect(other.locator(".who")).toHaveText("demo · night shift · read, write");
  // A double click asks and does not answer.
  await dialog.getByRole("button", { name: "Revoke night shift" }).dblclick();
  await dialog.getByRole("button", { name: "Really revoke? night shift" }).click();
  await expect(other.getByRole("status").filter({ hasText: "The key is no longer accepted" })).toBeVisible();
  await context.close();
});

test.describe("on a phone", () => {
  test.use({ viewport: { width: 390, height: 844 } });

  test("the buttons of a key with the scope admin are in one line", async ({ page, service }) => {
    await signIn(page, service);
    await expect(page.getByRole("button", { name: "API keys" })).toBeVisible();
    await isLive(page);
    const tops = await page.locator(".top .brand, .top button").evaluateAll((all) => all.map((one) => {
      const { top, bottom } = one.getBoundingClientRect();
      return Math.round((top + bottom) / 2);
    }));
    expect(tops).toHaveLength(4);
    expect(new Set(tops).size).toBe(1);
    await expect(page.getByRole("link", { name: "Outbound tasks" })).toBeVisible();
    await checkAccess(page);
  });
});
