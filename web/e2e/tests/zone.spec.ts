// The time zone of the call centre: the browser's is Asia's, the call centre's is America's.

import { timestampDate, timestampFromDate } from "@outbound-tasks/client";
import type { Page } from "@playwright/test";
import { checkAccess, expect, picture, rows, signIn, tenant, test } from "../support/test";

test.use({ timezoneId: "Asia/Shanghai" });

const spans = (list: [string, string, string][]) => list.map(([task_id, start_time, end_time]) => ({ task_id, name: task_id, start_time, end_time, status: "completed" }));

async function choose(page: Page, zone: string): Promise<void> {
  await page.locator("footer").getByRole("button", { name: "Time zone" }).click();
  const dialog = page.getByRole("dialog", { name: "Time zone" });
  await dialog.getByRole("combobox").selectOption(zone);
  await dialog.getByRole("button", { name: "Save" }).click();
}

const found = (page: Page) => rows(page).locator(".c-task_id");

test("times, days and hours are those of the chosen zone, also where clocks change", async ({ page, service }, info) => {
  const key = await tenant(service, info, "zones", spans([
    ["forward", "2026-03-08T06:30:00Z", "2026-03-08T07:30:00Z"], // from 01:30 to 03:30 in New York
    ["before", "2026-03-08T03:00:00Z", "2026-03-08T04:00:00Z"],
    ["havana", "2026-03-08T05:00:00Z", "2026-03-08T05:30:00Z"], // the first instant of a day that begins at 01:00 there
    ["havana-before", "2026-03-08T04:59:59Z", "2026-03-08T05:00:00Z"],
    ["twice", "2026-11-01T04:00:00Z", "2026-11-01T04:10:00Z"], // the first of two midnights of that day in Havana
    ["twice-before", "2026-11-01T03:59:59Z", "2026-11-01T04:00:00Z"],
  ]));
  await page.clock.setFixedTime(new Date("2026-11-27T02:00:00Z"));
  await signIn(page, service, "?start_date=2026-03-08&end_date=2026-03-08&order_by=task_id&order=asc", key);
  await expect(found(page)).toHaveText(["before", "forward", "havana", "havana-before"]);
  await expect(page.locator("footer")).toContainText("All times are in Asia/Shanghai.");
  await page.locator("footer").getByRole("button", { name: "Time zone" }).click();
  await checkAccess(page);
  await picture(page, "zones");
  await page.keyboard.press("Escape");

  await choose(page, "America/New_York");
  await expect(found(page)).toHaveText(["forward", "havana"]);
  await expect(rows(page).first().locator(".c-start_time")).toHaveText("08 Mar 01:30");
  await expect(rows(page).first().locator(".c-end_time")).toHaveText("08 Mar 03:30");
  await expect(page.locator("footer")).toContainText("All times are in America/New_York.");
  await page.getByText("When tasks run").click();
  await expect(page.getByText("Busiest:")).toContainText("8 Mar");
  const hours = await page.locator("table.grid tbody td").allTextContents();
  expect(hours.slice(0, 5)).toEqual(["1", "1", "0", "1", "0"]); // "havana" runs from 00:00 here
  await checkAccess(page);
  await picture(page, "zone-list");

  // Kept for the tenant, and used by the export.
  await page.reload();
  await expect(found(page)).toHaveText(["forward", "havana"]);
  await page.getByRole("button", { name: "Export…" }).click();
  await page.getByRole("combobox", { name: "Format" }).selectOption("xlsx");
  const asked = page.waitForRequest(/:export\?/);
  await page.getByRole("dialog").getByRole("button", { name: "Export" }).click();
  expect(new URL((await asked).url()).searchParams.get("time_zone")).toBe("America/New_York");

  await choose(page, "America/Havana");
  await expect(found(page)).toHaveText(["forward", "havana"]);
  await page.goto(`${service.url}/console/?start_date=2026-11-01&end_date=2026-11-01&order_by=task_id&order=asc`);
  await expect(found(page)).toHaveText(["twice"]);

  // Today, in Havana, is still the 26th.
  await page.getByRole("button", { name: "Today", exact: true }).click();
  await expect(page).toHaveURL(/start_date=2026-11-26&end_date=2026-11-26/);
  await page.getByRole("button", { name: "Yesterday" }).click();
  await expect(page).toHaveURL(/start_date=2026-11-25&end_date=2026-11-25/);
  await page.getByRole("button", { name: "This week" }).click();
  await expect(page).toHaveURL(/start_date=2026-11-23&end_date=2026-11-29/);
  await page.getByRole("button", { name: "America/Havana" }).click();
  await page.getByRole("combobox", { name: "Zone" }).selectOption("");
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await page.getByRole("button", { name: "Today", exact: true }).click();
  await expect(page).toHaveURL(/start_date=2026-11-27&end_date=2026-11-27/);
});

test("a form refuses a time that clocks skip, and asks which of two is meant", async ({ page, service }, info) => {
  const key = await tenant(service, info, "zone-forms", []);
  const other = service.client(service.url, key);
  await page.addInitScript(() => localStorage.setItem("outbound-tasks.zone.zone-forms", "America/New_York"));
  await signIn(page, service, "", key);
  await page.getByRole("button", { name: "New task" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill("Clocks");
  await dialog.getByLabel("Task id").fill("clocks");
  await expect(dialog).toContainText("All times are in America/New_York.");
  await dialog.getByLabel("Start").fill("2026-03-08T02:30");
  await expect(dialog.getByRole("alert")).toHaveText("This time does not exist in America/New_York: clocks go forward.");
  await expect(dialog.getByLabel("Start")).toHaveAttribute("aria-invalid", "true");
  await expect(dialog.getByRole("button", { name: "Create" })).toBeDisabled();
  await checkAccess(page);
  await picture(page, "zone-skipped");
  await dialog.getByLabel("Start").fill("2026-11-01T01:50");
  await dialog.getByLabel("End").fill("2026-11-01T01:10");
  const which = dialog.getByRole("combobox", { name: "This time comes twice" });
  await expect(which.first().getByRole("option")).toHaveText(["the first (GMT-4)", "the second (GMT-5)"]);
  await which.nth(1).selectOption("1");
  await checkAccess(page);
  await picture(page, "zone-twice");
  await dialog.getByRole("button", { name: "Create" }).click();
  await expect(page.locator("h1")).toHaveText("Clocks");
  const times = async () => {
    const { task } = await other.rpc.getOutboundTask({ taskId: "clocks" });
    return [task?.startTime, task?.endTime].map((time) => time && timestampDate(time).toISOString());
  };
  expect(await times()).toEqual(["2026-11-01T05:50:00.000Z", "2026-11-01T06:10:00.000Z"]);
  await page.keyboard.press("Escape");

  // A change of the name alone keeps the times, to the second.
  const endTime = timestampFromDate(new Date("2026-11-01T06:10:42Z"));
  await other.rpc.updateOutboundTask({ task: { taskId: "clocks", endTime }, updateMask: { paths: ["end_time"] } });
  await expect(page.locator(".facts")).toContainText("01:10:42 GMT-5");
  await page.getByRole("button", { name: "Actions: Clocks" }).click();
  await page.getByRole("menuitem", { name: "Edit…" }).click();
  await expect(which.nth(0)).toHaveValue("0");
  await expect(which.nth(1)).toHaveValue("1");
  await dialog.getByLabel("Name").fill("Clocks back");
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(page.locator("h1")).toHaveText("Clocks back");
  expect(await times()).toEqual(["2026-11-01T05:50:00.000Z", "2026-11-01T06:10:42.000Z"]);
});

test("a link with dates means the same to a colleague in another zone", async ({ page, service }, info) => {
  const key = await tenant(service, info, "zone-links", spans([
    ["tokyo", "2026-03-07T15:00:00Z", "2026-03-07T15:30:00Z"], // the first instant of the 8th in Tokyo
    ["both", "2026-03-08T06:00:00Z", "2026-03-08T07:00:00Z"],
    ["york", "2026-03-09T03:00:00Z", "2026-03-09T03:30:00Z"], // the 8th in New York, with clocks that went forward
  ]));
  const kept = () => page.evaluate(() => localStorage.getItem("outbound-tasks.zone.zone-links"));
  await signIn(page, service, "?start_date=2026-03-08&end_date=2026-03-08&order_by=task_id&order=asc", key);
  await choose(page, "America/New_York");
  await expect(found(page)).toHaveText(["both", "york"]);
  // The address names the zone, which can be copied from it and from the menu.
  await expect(page).toHaveURL(/time_zone=America%2FNew_York/);
  const sent = page.url();
  await choose(page, "Asia/Tokyo");
  await expect(found(page)).toHaveText(["both", "tokyo"]);
  await expect(page).toHaveURL(/time_zone=Asia%2FTokyo/);

  // The colleague, who has chosen Tokyo, opens the link.
  await page.goto(sent);
  await expect(found(page)).toHaveText(["both", "york"]);
  await expect(rows(page).nth(1).locator(".c-start_time")).toHaveText("08 Mar 23:00");
  const notice = page.getByRole("status").filter({ hasText: "The dates of this link are days in America/New_York" });
  await expect(notice).toContainText("Your own zone is Asia/Tokyo.");
  await expect(page.locator("footer")).toContainText("All times are in America/New_York.");
  await checkAccess(page);
  await picture(page, "zone-link");
  expect(await kept()).toBe("Asia/Tokyo");
  // The page of a task keeps the zone, and so does the way back; a list without dates has the colleague's own.
  await rows(page).nth(1).getByRole("link").click();
  await expect(page.locator(".facts dd").first()).toContainText("23:00:00");
  await expect(notice).toBeVisible();
  await page.getByRole("link", { name: "Back to the list" }).click();
  await expect(found(page)).toHaveText(["both", "york"]);
  await page.getByRole("button", { name: "Clear filters" }).click();
  await expect(found(page)).toHaveCount(3);
  await expect(notice).toHaveCount(0);
  await expect(page.locator("footer")).toContainText("All times are in Asia/Tokyo.");
  await page.goBack();
  await expect(notice).toBeVisible();
  await notice.getByRole("button", { name: "Use Asia/Tokyo" }).click();
  await expect(found(page)).toHaveText(["both", "tokyo"]);
  await expect(notice).toHaveCount(0);
  expect(await kept()).toBe("Asia/Tokyo");
  // Without a zone, or with one that no browser knows, days are the reader's.
  for (const zone of ["", "&time_zone=Atlantis/Capital"]) {
    await page.goto(`${service.url}/console/?start_date=2026-03-08&end_date=2026-03-08&order_by=task_id&order=asc${zone}`);
    await expect(found(page)).toHaveText(["both", "tokyo"]);
    await expect(notice).toHaveCount(0);
  }
});

test.describe("on a telephone", () => {
  test.use({ locale: "zh-CN", colorScheme: "dark", viewport: { width: 390, height: 844 } });

  test("the zone fits, and a zone that the browser does not know is not used", async ({ page, service }, info) => {
    const key = await tenant(service, info, "zone-small", []);
    await page.addInitScript(() => localStorage.setItem("outbound-tasks.zone.zone-small", "Atlantis/Capital"));
    await signIn(page, service, "", key);
    await expect(page.locator("footer")).toContainText("Asia/Shanghai");
    await page.locator("footer").getByRole("button", { name: "时区" }).click();
    await page.getByRole("dialog").getByRole("combobox").selectOption("America/Buenos_Aires");
    await checkAccess(page);
    await page.getByRole("dialog").getByRole("button", { name: "保存" }).click();
    await page.locator(".toggle").click();
    await expect(page.getByRole("button", { name: "America/Buenos_Aires" })).toBeVisible();
    await checkAccess(page);
    await picture(page, "zone-390");
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    expect(overflow).toBeLessThanOrEqual(0);
  });
});
