// The appearance in both languages, light and dark, at three widths and in print: screenshots for people, and axe in one of
// the two colour schemes.

import type { Page } from "@playwright/test";
import { TaskAction, timestampFromDate } from "@outbound-tasks/client";
import { checkAccess, expect, isLive, picture, signIn, test } from "../support/test";

const LOOKS = [
  { locale: "en-GB", colorScheme: "light", width: 1440 },
  { locale: "zh-CN", colorScheme: "dark", width: 1440 },
  { locale: "en-GB", colorScheme: "dark", width: 1024 },
  { locale: "zh-CN", colorScheme: "light", width: 1024 },
  { locale: "en-GB", colorScheme: "dark", width: 390 },
  { locale: "zh-CN", colorScheme: "light", width: 390 },
] as const;

for (const { locale, colorScheme, width } of LOOKS) {
  test.describe(`${locale} ${width}`, () => {
    test.use({ locale, colorScheme, viewport: { width, height: width > 1000 ? 960 : 844 } });

    /** Screenshots of the window, light and dark. */
    async function pictures(page: Page, what: string): Promise<void> {
      for (const scheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme: scheme });
        await picture(page, `${what}-${locale}-${width}-${scheme}`);
      }
      await page.emulateMedia({ colorScheme });
    }

    /** A screenshot of the page as it is printed. */
    async function printed(page: Page, what: string): Promise<void> {
      await page.emulateMedia({ media: "print" });
      await picture(page, `${what}-${locale}-${width}-print`);
      await page.emulateMedia({ media: "screen" });
    }

    test("list, picture of hours, and a task", async ({ page, service }) => {
      const taskId = `look ${locale} ${width}`;
      const other = service.client();
      const time = timestampFromDate(new Date());
      const target = Array.from({ length: 70 }, (_, n) => `cust${2000 + n}`);
      await other.rpc.createOutboundTask({
        task: { taskId, name: "车险续保提醒 – Car insurance renewal", startTime: time, endTime: time, target },
      });
      await other.act(taskId, TaskAction.START, "按计划启动 as planned");
      const results = target.slice(0, 50).map((customerId, n) => ({ customerId, state: 2 + ((n * n) % 5), attempt: 1 + (n % 3), time }));
      await other.rpc.reportTargetResults({ taskId, results });
      await other.act(taskId, TaskAction.PAUSE, "线路故障 line is down");

      await signIn(page, service, "?name=车险&order_by=task_id&order=asc");
      const isChinese = locale === "zh-CN";
      await expect(page.locator("html")).toHaveAttribute("lang", isChinese ? "zh-CN" : "en");
      await isLive(page);
      await expect(page.locator(".brand")).toHaveText(isChinese ? "外呼任务" : "Outbound tasks");
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      expect(overflow, "nothing is wider than the window").toBeLessThanOrEqual(0);
      await pictures(page, "list");
      await printed(page, "list");

      await page.locator(".hours summary").click();
      await expect(page.locator(".picture p[role=status]")).toContainText(isChinese ? "最忙" : "Busiest");
      await page.locator(".hours").scrollIntoViewIfNeeded();
      await pictures(page, "hours");
      await checkAccess(page);

      await page.goto(`${service.url}/console/tasks/${encodeURIComponent(taskId)}`);
      await expect(page.locator(".events > li")).toHaveCount(4);
      await expect(page.locator(".legend")).toBeVisible();
      await isLive(page);
      await pictures(page, "task");
      await printed(page, "task");
      await checkAccess(page);

      await page.getByRole("button", { name: isChinese ? "终止" : "Stop" }).click();
      await expect(page.getByRole("dialog")).toBeVisible();
      await pictures(page, "question");
    });
  });
}

test("the language can be switched, and is kept", async ({ page, service }) => {
  await signIn(page, service);
  await page.getByRole("button", { name: "中文" }).click();
  await expect(page.getByRole("columnheader", { name: "任务名称" })).toBeVisible();
  await page.reload();
  await expect(page.getByRole("button", { name: "退出" })).toBeVisible();
  await page.getByRole("button", { name: "English" }).click();
  await expect(page.getByRole("columnheader", { name: "Name" })).toBeVisible();
});

test("all of it can be done with the keyboard", async ({ page, service }) => {
  await signIn(page, service, "?status=pending");
  await expect(page.locator("table.tasks tbody tr").first()).toBeVisible();
  await page.reload();
  await expect(page.locator("table.tasks tbody tr").first()).toBeVisible();
  await page.keyboard.press("Tab");
  await expect(page.getByRole("link", { name: "Skip to the content" })).toBeFocused();
  await page.keyboard.press("Enter");
  const start = page.getByRole("button", { name: /^Start:/ }).first();
  for (let presses = 0; presses < 60 && !(await start.evaluate((button) => button === document.activeElement)); presses += 1) {
    await page.keyboard.press("Tab");
  }
  await expect(start).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.getByLabel("Reason")).toBeFocused();
  await page.keyboard.press("Escape");
  await expect(start).toBeFocused();
});
