// The display of times, numbers, days, words, the focus, and of colours that the viewer forces.

import {
  type ListOutboundTasksResponse, ListOutboundTasksResponseSchema, ListTaskEventsResponseSchema, ServiceReason, TaskAction, timestampFromDate,
} from "@outbound-tasks/client";
import type { Locator, Page } from "@playwright/test";
import { rewritten } from "../support/answer";
import { dayName, today } from "../support/data";
import { checkAccess, expect, isLive, isWhole, picture, rows, signIn, tab, tenant, test } from "../support/test";

const HOUR = 3_600_000;

for (const [locale, december, november] of [
  ["en-GB", "02 Dec 2025 10:00", "26 Nov 2026 08:30"],
  ["zh-CN", "2025/12/02 10:00", "2026/11/26 08:30"],
] as const) {
  test.describe(`the turn of the year, ${locale}`, () => {
    test.use({ locale, timezoneId: "Asia/Shanghai" });

    test("times keep their hour, and have their year where it is another", async ({ page, service }, info) => {
      const times = [["2025-12-02T02:00:00Z", "2025-12-02T03:00:00Z"], ["2026-11-26T00:30:00Z", "2026-11-26T01:30:00Z"]];
      const tasks = times.map(([start_time, end_time], n) => ({ task_id: `y${n}`, name: `year ${n}`, start_time, end_time }));
      const key = await tenant(service, info, `year-${locale.toLowerCase()}`, tasks);
      const starts = () => rows(page).locator(".c-start_time");
      await page.clock.setFixedTime(new Date("2026-01-02T04:00:00Z"));
      await signIn(page, service, "?order_by=task_id&order=asc", key);
      await expect(starts().first()).toHaveText(december);
      await expect(starts().nth(1)).toHaveText(november.replace(/ ?\/?2026\/?/, ""));
      for (const width of [1280, 1120, 700, 390]) {
        await page.setViewportSize({ width, height: 800 });
        await isWhole(rows(page).locator("time span"));
      }
      await page.setViewportSize({ width: 1280, height: 800 });
      await picture(page, `year-${locale}`);
    });
  });

  test.describe(`large counts, ${locale}`, () => {
    test.use({ locale });

    test("are shown whole, at any width", async ({ page, service }) => {
      // A test cannot create two thousand million targets, so it changes the service's answer on its way.
      await page.route("**/ListOutboundTasks", async (route) => {
        const response = await route.fetch();
        await route.fulfill({ response, body: enlarged(await response.body()) });
      });
      await signIn(page, service, "?name=%23&order_by=task_id&order=asc");
      const more = rows(page).locator(".c-target .more");
      await expect(more.nth(0)).toHaveText("+11,999");
      await expect(more.nth(1)).toHaveText("+999,999");
      await expect(more.nth(2)).toHaveText("+2,147,483,646");
      await expect(page.locator(".tab .count").first()).toHaveText("2,147,483,647");
      await expect(page.locator(".pager p").first()).toContainText("2,147,483,647");
      for (const width of [1680, 1280, 1120, 1024, 700, 390]) {
        await page.setViewportSize({ width, height: 800 });
        await isWhole(more);
        await isWhole(page.locator(".tab .count"));
        await isWhole(page.locator(".pager p"));
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        expect(overflow, `nothing is wider than a window of ${width}`).toBeLessThanOrEqual(0);
        if (width === 1280 || width === 390) {
          await picture(page, `counts-${locale}-${width}`);
        }
      }
    });
  });
}

/** An answer of the list with other counts: of the first three tasks' targets, of all tasks, and of each status. */
function enlarged(body: Buffer): Buffer {
  return rewritten(ListOutboundTasksResponseSchema, body, enlarge);
}

function enlarge(message: ListOutboundTasksResponse): void {
  for (const [n, count] of [12_000, 1_000_000, 2_147_483_647].entries()) {
    const task = message.tasks[n];
    if (task) {
      task.targetCount = count;
    }
  }
  message.total = 2_147_483_647;
  for (const [n, count] of message.statusCounts.entries()) {
    count.count = n === 0 ? 2_147_483_647 : 0;
  }
}

test("the picture of a day includes tasks that began before it and still run", async ({ page, service }, info) => {
  const at = (ms: number) => new Date(ms).toISOString();
  const task = (task_id: string, start: number, end: number) => ({ task_id, name: task_id, start_time: at(start), end_time: at(end) });
  const key = await tenant(service, info, "days", [
    task("since yesterday", today() - 5 * HOUR, today() + 30 * HOUR),
    task("today", today() + 9 * HOUR, today() + 23 * HOUR),
    task("over", today() - 9 * HOUR, today() - HOUR),
    task("in three days", today() + 80 * HOUR, today() + 82 * HOUR),
    task("in eight days", today() + 200 * HOUR, today() + 202 * HOUR),
  ]);
  await signIn(page, service, "?order_by=task_id&order=asc", key);
  await expect(rows(page)).toHaveCount(5);
  await page.getByRole("button", { name: "Today", exact: true }).click();
  await expect(rows(page).locator(".c-task_id")).toHaveText(["since yesterday", "today"]);
  await expect(page).toHaveURL(new RegExp(`start_date=${dayName()}&end_date=${dayName()}&date_field=window`));
  await expect(page.getByRole("combobox", { name: "Date of" })).toHaveValue("5");
  await page.getByRole("button", { name: "7 days" }).click();
  await expect(rows(page).locator(".c-task_id")).toHaveText(["in three days", "since yesterday", "today"]);
});

test.describe("in Chinese", () => {
  test.use({ locale: "zh-CN" });

  test("errors and reasons of the service are shown in Chinese too", async ({ page, service }) => {
    // A violation with numbers, and a task that the schedule ended.
    await signIn(page, service, `?customer_id=${"x".repeat(129)}&limit=1000`);
    const notice = page.getByRole("alert");
    await expect(notice).toContainText("请求有误");
    await expect(notice.locator("li")).toHaveText(["客户编号 长度必须为 1–128 个字符，实际为 129 个。"]);
    expect((await notice.innerText()).match(/[a-z]{3,}/gi)?.filter((word) => !/^[0-9a-f-]+$/.test(word)) ?? []).toEqual([]);
    await picture(page, "error-zh");

    // The schedule would also change the tasks of the other tests, so this test writes what the schedule would write. A test
    // of the service checks that the service sends the code with it.
    const time = timestampFromDate(new Date());
    const { task } = await service.client().rpc.createOutboundTask({ task: { name: "按时", startTime: time, endTime: time, target: [] } });
    const id = task?.taskId ?? "";
    await service.client().act(id, TaskAction.STOP, "end_time passed before the task was started");
    await page.route("**/ListTaskEvents", async (route) => {
      const response = await route.fetch();
      const body = rewritten(ListTaskEventsResponseSchema, await response.body(), ({ events: [last] }) => {
        Object.assign(last ?? {}, { keyId: "", reasonCode: ServiceReason.END_TIME_PASSED_UNSTARTED });
      });
      await route.fulfill({ response, body });
    });
    await page.goto(`${service.url}/console/tasks/${id}`);
    await expect(page.locator(".facts")).toContainText("任务未启动，已过结束时间");
    await expect(page.locator(".events .reason").first()).toHaveText("任务未启动，已过结束时间");
    expect(await page.locator("main").innerText()).not.toMatch(/end_time|passed/);
    // The page may be reading the events again, and the test does not wait for that.
    await page.unrouteAll({ behavior: "ignoreErrors" });
  });
});

test("the focus goes to the next row when an action takes its row away, and to the heading after the last", async ({ page, service }, info) => {
  const names = ["focus a", "focus b", "focus c"];
  const times = { start_time: new Date(Date.now() + 24 * HOUR).toISOString(), end_time: new Date(Date.now() + 25 * HOUR).toISOString() };
  const key = await tenant(service, info, "focus", names.map((name) => ({ task_id: name, name, ...times })));
  await signIn(page, service, "?status=pending&order_by=task_id&order=asc", key);
  await expect(rows(page)).toHaveCount(3);
  await isLive(page);
  const start = async (name: string) => {
    await page.getByRole("button", { name: `Start: ${name}` }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").getByRole("button", { name: "Start" }).press("Enter");
    await expect(page.getByRole("link", { name })).toHaveCount(0);
  };
  await start("focus b");
  await expect(page.getByRole("link", { name: "focus c" })).toBeFocused();
  await expect(page.getByRole("status").filter({ hasText: "focus b left the list." })).toHaveCount(1);
  await start("focus c");
  await expect(page.getByRole("link", { name: "focus a" })).toBeFocused();
  await start("focus a");
  await expect(page.getByRole("heading", { name: "Tasks", exact: true })).toBeFocused();
  await checkAccess(page);
});

test("a row that another client takes away hands the focus on as well", async ({ page, service }, info) => {
  const times = { start_time: new Date(Date.now() + 24 * HOUR).toISOString(), end_time: new Date(Date.now() + 25 * HOUR).toISOString() };
  const key = await tenant(service, info, "taken", ["taken a", "taken b"].map((name) => ({ task_id: name, name, ...times })));
  await signIn(page, service, "?status=pending&order_by=task_id&order=asc", key);
  await isLive(page);
  await page.getByRole("button", { name: "Start: taken a" }).focus();
  await service.client(service.url, key).act("taken a", TaskAction.START);
  await expect(rows(page)).toHaveCount(1);
  await expect(page.getByRole("link", { name: "taken b" })).toBeFocused();
});

test.describe("with forced colours", () => {
  test.use({ forcedColors: "active" });

  /** Number of colours in an element. The screenshot is read in a page of its own, without a content security policy. */
  async function colours(page: Page, element: Locator): Promise<number> {
    const png = await element.screenshot({ animations: "disabled" });
    const reader = await page.context().newPage();
    const count = await reader.evaluate(async (url) => {
      const image = new Image();
      image.src = url;
      await image.decode();
      const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
      context?.drawImage(image, 0, 0);
      // Only the middle line, since the border has another colour.
      const line = context?.getImageData(3, Math.floor(image.height / 2), image.width - 6, 1).data ?? [];
      return new Set(Array.from({ length: line.length / 4 }, (_, n) => line.slice(4 * n, 4 * n + 3).join())).size;
    }, `data:image/png;base64,${png.toString("base64")}`);
    await reader.close();
    return count;
  }

  test("progress is seen, and one tab is the chosen one", async ({ page, service }) => {
    await signIn(page, service, "?status=running&order_by=progress&order=asc&page=50&limit=10&name=%23");
    await expect(rows(page).first()).toBeVisible();
    const style = (name: string, property: string) =>
      tab(page, name).evaluate((element, property) => getComputedStyle(element).getPropertyValue(property), property);
    const line = "border-bottom-color";
    expect(await style("Running", line)).not.toBe(await style("Paused", line));
    expect(await style("Running", "background-color")).not.toBe(await style("Paused", "background-color"));
    // The line of a tab that is not selected is invisible: it has the colour of the page.
    const canvas = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    expect(await style("Paused", line)).toBe(canvas);
    await picture(page, "forced-list");
    const half = rows(page).first().locator("progress"); // in the middle of the list, about half is done
    expect(await colours(page, half)).toBeGreaterThanOrEqual(2);
    await page.goto(`${service.url}/console/tasks/T000001`);
    await expect(page.locator(".stack")).toBeVisible();
    await picture(page, "forced-task");
    await checkAccess(page);
  });
});
