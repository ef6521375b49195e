// Saved views: filters, columns, order and number of rows under a name, for each tenant.

import type { Page } from "@playwright/test";
import { checkAccess, expect, picture, rows, signIn, tenant, test } from "../support/test";

const FILTER = "?name=%23&status=running,paused&order_by=name&order=asc&limit=50";

async function menu(page: Page, item: string | RegExp): Promise<void> {
  await page.locator(".commands").getByRole("button", { name: /^Views/ }).click();
  await page.getByRole("menuitem", { name: item }).click();
}

async function save(page: Page, name: string): Promise<void> {
  await menu(page, "Save this view…");
  await page.getByRole("textbox", { name: "Name of the view" }).fill(name);
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("dialog")).toHaveCount(0);
}

test("a view is saved, chosen, renamed and deleted, and its address says all", async ({ page, service, context, browser }) => {
  await signIn(page, service, FILTER);
  await expect(rows(page)).toHaveCount(50);
  await page.getByRole("button", { name: "More about this list" }).click();
  await page.getByRole("menuitem", { name: "Columns…" }).click();
  await page.getByRole("checkbox", { name: "Created" }).uncheck();
  await page.getByRole("dialog").getByRole("button", { name: "Close" }).click();
  await menu(page, "Save this view…");
  await checkAccess(page);
  await picture(page, "view-save");
  await page.keyboard.press("Escape");
  await save(page, "Under way");
  await expect(page.getByRole("button", { name: "Views: Under way" })).toBeVisible();

  // The columns of another list are not those of the view.
  await page.goto(`${service.url}/console/`);
  await expect(rows(page)).toHaveCount(20);
  await page.getByRole("button", { name: "More about this list" }).click();
  await page.getByRole("menuitem", { name: "Columns…" }).click();
  await page.getByRole("checkbox", { name: "Created" }).check();
  await page.getByRole("dialog").getByRole("button", { name: "Close" }).click();
  await expect(page.getByRole("columnheader", { name: "Created" })).toBeVisible();
  await save(page, "All");
  await menu(page, "Under way");
  await expect(rows(page)).toHaveCount(50);
  await expect(page.getByRole("columnheader", { name: "Created" })).toHaveCount(0);
  await expect(page.getByRole("columnheader", { name: "Name" })).toHaveAttribute("aria-sort", "ascending");
  const address = page.url();
  expect(address).toContain("columns=task_id,target,start_time,end_time,progress,updated_at");
  expect(address).toContain("status=running,paused");

  // A browser that has kept nothing shows the same from the address alone.
  const elsewhere = await browser.newContext();
  const colleague = await elsewhere.newPage();
  await signIn(colleague, service, address.slice(`${service.url}/console/`.length));
  await expect(rows(colleague)).toHaveCount(50);
  await expect(colleague.getByRole("columnheader", { name: "Changed" })).toBeVisible();
  await expect(colleague.getByRole("columnheader", { name: "Created" })).toHaveCount(0);
  await elsewhere.close();

  // Changed columns go into the address, and then it is not the view any more. Saving under its name replaces it.
  await page.getByRole("button", { name: "More about this list" }).click();
  await page.getByRole("menuitem", { name: "Columns…" }).click();
  await page.getByRole("checkbox", { name: "Targets" }).uncheck();
  await page.getByRole("dialog").getByRole("button", { name: "Close" }).click();
  await expect(page.getByRole("columnheader", { name: "Targets" })).toHaveCount(0);
  await expect(page.getByRole("button", { name: "Views", exact: true })).toBeVisible();
  await menu(page, "Save this view…");
  await page.getByRole("textbox", { name: "Name of the view" }).fill("Under way");
  await expect(page.getByRole("dialog")).toContainText("The view of this name is replaced.");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("button", { name: "Views: Under way" })).toBeVisible();

  await menu(page, "Rename or delete views…");
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name of view 1").fill("All");
  await expect(dialog.getByRole("alert")).toHaveText("Another view has this name.");
  await expect(dialog.getByRole("button", { name: "Save" })).toBeDisabled();
  await checkAccess(page);
  await picture(page, "views");
  await dialog.getByRole("button", { name: "Delete the view All" }).nth(1).click();
  await expect(dialog.getByLabel("Name of view 1")).toBeFocused();
  await dialog.getByLabel("Name of view 1").fill("Mine");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("button", { name: "Views: Mine" })).toBeVisible();

  // A later tab has the views; the viewer of another tenant does not.
  const later = await context.newPage();
  await later.goto(`${service.url}/console/`);
  await later.locator(".commands").getByRole("button", { name: "Views" }).click();
  await expect(later.getByRole("menuitem")).toHaveText(["Mine", "Save this view…", "Rename or delete views…"]);
  await checkAccess(later);
  await later.close();
});

test("another tenant has views of its own, on a telephone too", async ({ page, service }, info) => {
  const key = await tenant(service, info, "views-other", []);
  await page.addInitScript(() => {
    localStorage.setItem("outbound-tasks.views.demo", JSON.stringify([{ name: "theirs", query: "status=running" }]));
    localStorage.setItem("outbound-tasks.views.views-other", "not JSON");
  });
  await page.setViewportSize({ width: 390, height: 844 });
  await signIn(page, service, "", key);
  await page.getByRole("button", { name: "中文" }).click();
  await page.getByRole("button", { name: "视图" }).click();
  await expect(page.getByRole("menuitem")).toHaveText(["保存此视图…", "重命名或删除视图…"]);
  await checkAccess(page);
  await picture(page, "views-390");
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(overflow).toBeLessThanOrEqual(0);
});
