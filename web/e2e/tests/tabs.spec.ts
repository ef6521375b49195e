// Several tabs of one browser: they share a watch and a key.

import { TaskAction, timestampFromDate } from "@outbound-tasks/client";
import type { BrowserContext, Page } from "@playwright/test";
import type { Service } from "../support/service";
import { expect, isLive, rows, signIn, test } from "../support/test";

/** A new task, pending. */
async function create(service: Service, name: string): Promise<string> {
  const now = Date.now();
  const [startTime, endTime] = [now, now + 3_600_000].map((time) => timestampFromDate(new Date(time)));
  const { task } = await service.client().rpc.createOutboundTask({ task: { name, startTime, endTime, target: ["c"] } });
  return task?.taskId ?? "";
}

/** A new tab that no window opened. */
async function open(context: BrowserContext, service: Service, path: string): Promise<Page> {
  const page = await context.newPage();
  await page.goto(`${service.url}/console/${path}`);
  return page;
}

const FILTERS = ["?name=seven", "?status=pending", "?task_ids=ID", "?order_by=name", "?status=running,pending", "tasks/ID", ""];

test("seven tabs with different lists stay live, and actions get through", async ({ page, service, context }) => {
  test.setTimeout(90_000);
  const id = await create(service, "seven tabs");
  const paths = FILTERS.map((path) => path.replace("ID", id));
  await signIn(page, service, paths[0]);
  const tabs = [page];
  for (const path of paths.slice(1)) {
    tabs.push(await open(context, service, path));
  }
  for (const tab of tabs) {
    await isLive(tab);
  }
  // An action in the first tab, while all seven are visible and live over HTTP/1.1.
  await rows(page).first().getByRole("button", { name: "Start: seven tabs" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Start" }).click();
  await expect(rows(page).first().locator(".status")).toHaveText("Running");
  // A change by another client arrives in all tabs that show the task.
  await service.client().act(id, TaskAction.PAUSE);
  for (const n of [0, 2]) {
    await expect(rows(tabs[n] as Page).filter({ hasText: "seven tabs" }).locator(".status")).toHaveText("Paused");
  }
  await expect((tabs[5] as Page).locator(".head .status")).toHaveText("Paused");
  await expect((tabs[6] as Page).locator(".connection")).toHaveClass(/\blive\b/);
  // The tab that began the watch is closed. The others continue without a gap.
  await page.close();
  await service.client().act(id, TaskAction.RESUME);
  await expect(rows(tabs[2] as Page).first().locator(".status")).toHaveText("Running");
  await expect((tabs[5] as Page).locator(".head .status")).toHaveText("Running");
  for (const tab of tabs.slice(1)) {
    await isLive(tab);
  }
});

test("a tab receives the changes of its own key only", async ({ page, service, context }) => {
  await service.run("tenants", "create", "beside");
  const key = await service.newKey("read,write", "beside");
  await signIn(page, service, "?name=tenants");
  const other = await open(context, service, "?name=tenants");
  // It has the key of the first tab by now, and gets another one.
  await expect(other.getByRole("button", { name: "Sign out" })).toBeVisible();
  await other.evaluate((key) => sessionStorage.setItem("outbound-tasks.key", key), key);
  await other.reload();
  await isLive(page);
  await isLive(other);
  await create(service, "tenants: the first's");
  await expect(rows(page)).toHaveCount(1);
  await expect(rows(other)).toHaveCount(0);
  const now = timestampFromDate(new Date());
  const beside = service.client(service.url, key);
  await beside.rpc.createOutboundTask({ task: { name: "tenants: the second's", startTime: now, endTime: now, target: [] } });
  await expect(rows(other)).toHaveText(/the second's/);
  await expect(rows(page)).toHaveCount(1);
  await expect(rows(page)).toHaveText(/the first's/);
});

test("a link in a new tab needs no key, signing out ends all tabs, and nothing stays", async ({ page, service, context }) => {
  await signIn(page, service, "?name=%23133");
  const link = rows(page).first().getByRole("link");
  // Opened with the middle button: a new tab, which inherits no session storage.
  const [task] = await Promise.all([context.waitForEvent("page"), link.click({ button: "middle" })]);
  await expect(task.locator("h1")).toContainText("#133");
  await expect(task.locator("form.login")).toHaveCount(0);
  const kept = await task.evaluate(() => [JSON.stringify(localStorage), document.cookie]);
  expect(kept.join()).not.toContain("otk_");

  await task.getByRole("button", { name: "Sign out" }).click();
  for (const tab of [page, task]) {
    await expect(tab.getByLabel("API key")).toBeVisible();
    expect(await tab.evaluate(() => JSON.stringify(sessionStorage))).not.toContain("otk_");
  }
  const third = await open(context, service, "");
  await expect(third.getByLabel("API key")).toBeVisible();
});

test("a new tab is signed in also while the other tab is frozen, and after a reload of a link", async ({ page, service, context }) => {
  await signIn(page, service, "?name=%23133");
  await expect(rows(page).first()).toBeVisible();
  const chromium = await context.newCDPSession(page);
  await chromium.send("Page.setWebLifecycleState", { state: "frozen" });
  const second = await open(context, service, "tasks/T000001");
  await expect(second.locator(".task h1")).toBeVisible();
  await second.reload();
  await expect(second.locator(".task h1")).toBeVisible();
  await chromium.send("Page.setWebLifecycleState", { state: "active" });
  // With the last tab the key is forgotten.
  await page.close();
  await second.close();
  const third = await open(context, service, "");
  await expect(third.getByLabel("API key")).toBeVisible();
});

test("two tenants in two tabs stay apart, and the header tells whose key it is", async ({ page, service, context }) => {
  await service.run("tenants", "create", "apart");
  const key = await service.newKey("read", "apart");
  await signIn(page, service);
  const who = (of: Page) => of.locator(".who");
  await expect(who(page)).toHaveText(/^demo · dev · read, write, admin$/);
  const other = await open(context, service, "");
  await other.getByRole("button", { name: "Sign out" }).click();
  await expect(other.getByLabel("API key")).toBeVisible();
  // Signing out ends all tabs of the same key.
  await expect(page.getByLabel("API key")).toBeVisible();
  await signIn(page, service);
  await other.getByLabel("API key").fill(key);
  await other.keyboard.press("Enter");
  await expect(who(other)).toHaveText("apart · e2e · read");
  await page.reload();
  await other.reload();
  await expect(who(page)).toHaveText(/^demo · /);
  await expect(who(other)).toHaveText(/^apart · /);
  // A new tab belongs to the one that was used last, and signing out there leaves the other tenant's tab.
  await other.bringToFront();
  const third = await open(context, service, "?name=x");
  await expect(who(third)).toHaveText(/^apart · /);
  await third.getByRole("button", { name: "Sign out" }).click();
  await expect(other.getByLabel("API key")).toBeVisible();
  await expect(who(page)).toHaveText(/^demo · /);
});
