// The page around the list: widths, paper, scrolling, typed dates, ids, and texts of people that turn the text around them.

import { fromBinary } from "@bufbuild/protobuf";
import { ListOutboundTasksRequestSchema, TaskAction, timestampFromDate } from "@outbound-tasks/client";
import type { Page } from "@playwright/test";
import { dayName } from "../support/data";
import { checkAccess, expect, isLive, isWhole, picture, rows, signIn, tab, tenant, test } from "../support/test";

const HOUR = 3_600_000;
const TIMES = { start_time: "2025-12-02T02:00:00Z", end_time: "2025-12-02T03:00:00Z" };

for (const locale of ["en-GB", "zh-CN"]) {
  test.describe(locale, () => {
    test.use({ locale });

    test("times are whole at any width, in the list and on a task's page", async ({ page, service }, info) => {
      const results = Array.from({ length: 3 }, (_, n) => ({ customer_id: `c${n}`, state: "answered", attempt: 1, time: "2025-12-02T02:30:00Z" }));
      const target = results.map(({ customer_id }) => customer_id);
      const key = await tenant(service, info, `widths-${locale.toLowerCase()}`, [{ task_id: "w", name: "widths", target, target_results: results, ...TIMES }]);
      await signIn(page, service, "", key);
      await expect(rows(page)).toHaveCount(1);
      for (const width of [1440, 1280, 1199, 1100, 1024, 960, 700, 390]) {
        await page.setViewportSize({ width, height: 800 });
        await isWhole(rows(page).locator("time span"));
        await picture(page, `list-${locale}-${width}`);
      }
      await page.goto(`${service.url}/console/tasks/w`);
      const times = page.getByRole("row").locator("time span");
      await expect(times).toHaveCount(6);
      for (const width of [1440, 1280, 1024, 700, 390]) {
        await page.setViewportSize({ width, height: 800 });
        await isWhole(times);
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        expect(overflow, `nothing is wider than a window of ${width}`).toBeLessThanOrEqual(0);
      }
    });

    test("paper has the list without controls", async ({ page, service }) => {
      await signIn(page, service, "?name=%23&status=running");
      await expect(rows(page).first()).toBeVisible();
      await page.emulateMedia({ media: "print" });
      for (const hidden of [".filters", ".steps", ".c-actions", ".top button", ".hours"]) {
        await expect(page.locator(hidden).first()).toBeHidden();
      }
      await expect(rows(page).first().locator("time").first()).toBeVisible();
      await expect(page.locator(".tab[aria-current]")).toBeVisible();
      expect(await page.evaluate(() => getComputedStyle(document.body).backgroundColor)).toBe("rgb(255, 255, 255)");
      await picture(page, `print-${locale}`);
      // A table of 20 rows, which would be five pages of cards.
      const pdf = await page.pdf({ format: "A4", preferCSSPageSize: true });
      expect(pdf.toString("latin1").match(/\/Type\s*\/Page\b/g)?.length).toBeLessThanOrEqual(2);
      await page.goto(`${service.url}/console/tasks/T000001`);
      await expect(page.locator(".facts")).toBeVisible();
      await expect(page.getByRole("button", { name: /./ })).toHaveCount(0);
      await picture(page, `print-task-${locale}`);
    });

    // A4 across, within its margins, and windows in which the same columns are narrow.
    test("telephone numbers and results are in one line, also on paper", async ({ page, service }, info) => {
      const results = Array.from({ length: 120 }, (_, n) => ({
        customer_id: `+86138${String(n).padStart(8, "0")}`, state: n % 2 ? "no_answer" : "answered", attempt: 1, time: "2025-12-02T02:30:00Z",
      }));
      const target = results.map(({ customer_id }) => customer_id);
      const key = await tenant(service, info, `paper-${locale.toLowerCase()}`, [{ task_id: "p", name: "paper", target, target_results: results, ...TIMES }]);
      /** Each is one box in one line, and nothing of it is cut. */
      const areWhole = async (selector: string) => {
        const texts = page.locator(selector);
        await expect(texts.first()).toBeVisible();
        const lines = await texts.evaluateAll((all) => all.map((text) => {
          const range = document.createRange();
          range.selectNodeContents(text);
          return new Set([...range.getClientRects()].map(({ top }) => Math.round(top))).size;
        }));
        expect(new Set(lines), `${selector}: lines`).toEqual(new Set([1]));
        await isWhole(texts);
      };
      await signIn(page, service, "", key);
      for (const [media, width] of [["screen", 1440], ["screen", 1024], ["print", 1032], ["screen", 390]] as const) {
        await page.emulateMedia({ media });
        await page.setViewportSize({ width, height: 800 });
        await page.goto(`${service.url}/console/?status=`);
        await areWhole(".c-target .cut");
        await areWhole(".c-target .more");
        await page.goto(`${service.url}/console/tasks/p`);
        await expect(page.locator(".ids .late")).toContainText(locale === "zh-CN" ? "已逾期, 到时未启动" : "Overdue, Not started in time");
        await areWhole("td.wrap bdi");
        await areWhole("td .result");
        await expect(page.locator("td .result.t3").first()).toHaveText(locale === "zh-CN" ? "无人接听" : "No answer");
        await picture(page, `phones-${media}-${width}-${locale}`);
      }
    });
  });
}

test("another page begins at its top, and going back returns to the place", async ({ page, service }) => {
  await signIn(page, service, "?name=%23&limit=100&order_by=task_id&order=asc");
  await expect(rows(page)).toHaveCount(100);
  await page.getByRole("link", { name: "Next page" }).scrollIntoViewIfNeeded();
  expect(await page.evaluate("scrollY")).toBeGreaterThan(1000);
  await page.getByRole("link", { name: "Next page" }).click();
  await expect(rows(page).locator(".c-task_id").first()).toHaveText("T000100");
  await expect.poll(() => page.evaluate("scrollY")).toBe(0);
  const link = page.locator("table.tasks .c-name a").nth(80);
  await link.scrollIntoViewIfNeeded();
  const before = await page.evaluate<number>("scrollY");
  await link.click();
  await expect(page.locator(".task h1")).toBeVisible();
  await expect.poll(() => page.evaluate("scrollY")).toBe(0);
  await page.goBack();
  await expect.poll(() => page.evaluate<number>("scrollY")).toBeGreaterThan(before - 200);
});

test("a typed date is one request and one step of the history", async ({ page, service }, info) => {
  const key = await tenant(service, info, "typed", [{ task_id: "t", name: "typed", ...TIMES }]);
  await signIn(page, service, "?order=asc", key);
  await isLive(page);
  await page.waitForTimeout(1500); // the list may be read once more after the watch has begun
  let asked = 0;
  page.on("request", (request) => {
    const body = request.postDataBuffer();
    if (request.url().endsWith("/ListOutboundTasks") && body !== null) {
      // The message follows five bytes of its frame. A list of one task counts those that need attention.
      asked += fromBinary(ListOutboundTasksRequestSchema, new Uint8Array(body.subarray(5))).limit === 1 ? 0 : 1;
    }
  });
  const steps = await page.evaluate<number>("history.length");
  await page.getByLabel("From", { exact: true }).focus();
  await page.keyboard.type("12022025", { delay: 120 });
  await expect(page).toHaveURL(/start_date=2025-12-02/);
  await expect(rows(page)).toHaveCount(1);
  await page.waitForTimeout(1000);
  expect(asked).toBe(1);
  expect(await page.evaluate<number>("history.length")).toBe(steps + 1);
  // A typed date is used at once when the field is left.
  await page.getByLabel("To", { exact: true }).focus();
  await page.keyboard.type("12032025");
  await page.keyboard.press("Tab");
  await expect(page).toHaveURL(/end_date=2025-12-03/);
  await page.goBack();
  await page.goBack();
  await expect(page.getByLabel("From", { exact: true })).toHaveValue("");
});

test("yesterday and this week are ranges of days", async ({ page, service }) => {
  await signIn(page, service, "?name=%23");
  const day = (plus: number) => new Date(Date.parse(dayName()) + plus * 24 * HOUR).toISOString().slice(0, 10);
  await page.getByRole("button", { name: "Yesterday" }).click();
  await expect(page).toHaveURL(new RegExp(`start_date=${day(-1)}&end_date=${day(-1)}&date_field=window`));
  await page.getByRole("button", { name: "This week" }).click();
  const monday = -((new Date(`${dayName()}T00:00:00Z`).getUTCDay() + 6) % 7);
  await expect(page).toHaveURL(new RegExp(`start_date=${day(monday)}&end_date=${day(monday + 6)}&date_field=window`));
});

test("an empty tenant is not told to remove a filter", async ({ page, service }) => {
  await service.run("tenants", "create", "empty");
  await signIn(page, service, "", await service.newKey("read,write", "empty"));
  await expect(page.getByText("There are no tasks yet.")).toBeVisible();
  await expect(page.getByText("Remove a filter")).toHaveCount(0);
  await page.goto(`${service.url}/console/?name=x`);
  await expect(page.getByText("Remove a filter")).toBeVisible();
});

test("many ids are found at once, typed or pasted as lines", async ({ page, service, context }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await signIn(page, service);
  await page.getByRole("combobox", { name: "Search" }).selectOption("task_ids");
  const box = page.getByRole("searchbox");
  await expect(box).toHaveAttribute("placeholder", "Whole task ids, separated by commas");
  await box.fill("T000001, T000002；T000003 T000004");
  await expect(rows(page)).toHaveCount(4);
  await page.reload();
  await expect(rows(page)).toHaveCount(4);
  await box.fill("");
  await page.evaluate(() => navigator.clipboard.writeText("T000005\nT000006\r\n\nT000007\n"));
  await box.press("Control+V");
  await expect(box).toHaveValue("T000005, T000006, T000007");
  await expect(rows(page)).toHaveCount(3);
});

test("the targets' filter and page stand in the address", async ({ page, service }) => {
  const now = timestampFromDate(new Date());
  const target = Array.from({ length: 50 }, (_, n) => `c${String(n).padStart(3, "0")}`);
  const { rpc } = service.client();
  await rpc.createOutboundTask({ task: { taskId: "addressed", name: "Addressed", startTime: now, endTime: now, target } });
  await rpc.reportTargetResults({ taskId: "addressed", results: target.slice(0, 45).map((customerId) => ({ customerId, state: 4, attempt: 1, time: now })) });
  await signIn(page, service, "tasks/addressed?state=busy");
  const customers = page.getByRole("table", { name: "Targets" }).locator("tbody tr td:first-child");
  await expect(page.getByRole("combobox", { name: "Result" })).toHaveValue("4");
  await page.getByRole("button", { name: "Next page" }).click();
  await expect(customers.first()).toHaveText("c020");
  await expect(page).toHaveURL(/\?state=busy&page=2&page_token=/);
  await page.reload();
  await expect(customers.first()).toHaveText("c020");
  await page.getByRole("button", { name: "Previous page" }).click();
  await expect(customers.first()).toHaveText("c000");
  // From a link to a page in the middle, the way back leads to the first page.
  await page.goForward();
  const link = page.url();
  await page.goto("about:blank");
  await page.goto(link);
  await expect(customers.first()).toHaveText("c020");
  await page.getByRole("button", { name: "Previous page" }).click();
  await expect(customers.first()).toHaveText("c000");
  await page.getByRole("searchbox", { name: "Whole customer id" }).fill("c033");
  await page.keyboard.press("Enter");
  await expect(customers).toHaveText(["c033"]);
  await expect(page).toHaveURL(/customer_id=c033/);
  await page.getByRole("button", { name: "Show all targets" }).click();
  await expect(customers).toHaveCount(20);
});

test("names that turn the text around them are isolated", async ({ page, service }, info) => {
  const name = "\u202emoc.elpmaxe עברית";
  const key = await tenant(service, info, "bidi", [{ task_id: "turned", name, ...TIMES }]);
  await signIn(page, service, "", key);
  const isolated = (selector: string) =>
    page.locator(selector).first().evaluate((element) => [element.textContent, getComputedStyle(element).unicodeBidi]);
  expect(await isolated("table.tasks .c-name bdi")).toEqual([name, "isolate"]);
  await isLive(page);
  await rows(page).first().getByRole("button", { name: /^Start/ }).click();
  expect(await isolated("dialog bdi")).toEqual([name, "isolate"]);
  await page.getByRole("dialog").getByRole("button", { name: "Start" }).click();
  await expect(page.locator(".toast")).toHaveText(`\u2068${name}\u2069: Running`);
  await page.goto(`${service.url}/console/tasks/turned`);
  expect(await isolated(".task h1 bdi")).toEqual([name, "isolate"]);
  await page.goto(`${service.url}/console/wall`);
  expect(await isolated(".bars bdi")).toEqual([name, "isolate"]);
});

test.describe("on a phone", () => {
  test.use({ viewport: { width: 390, height: 844 } });

  /** Whether an element is wholly in the window. */
  async function isSeen(page: Page, selector: string): Promise<boolean> {
    const box = await page.locator(selector).boundingBox();
    return box !== null && box.x >= 0 && box.x + box.width <= 390 && box.y + box.height <= 844;
  }

  test("the list begins in the upper third, filters open when asked for, and the chosen tab is in view", async ({ page, service }) => {
    await signIn(page, service, "?status=failed&name=%23");
    await expect(rows(page).first()).toBeVisible();
    await expect.poll(() => isSeen(page, ".tab[aria-current]")).toBe(true);
    expect((await rows(page).first().boundingBox())?.y).toBeLessThan(844 / 3);
    await expect(page.getByLabel("From", { exact: true })).toBeHidden();
    await picture(page, "phone-list");
    await page.getByRole("button", { name: /^Filters/ }).click();
    await expect(page.getByLabel("From", { exact: true })).toBeVisible();
    await picture(page, "phone-filters");
    await checkAccess(page);
    await tab(page, "All").click();
    await expect.poll(() => isSeen(page, ".tab[aria-current]")).toBe(true);
  });
});

test("a change of one row is the only row that is drawn again", async ({ page, service }, info) => {
  const key = await tenant(service, info, "drawn", ["a", "b", "c"].map((name) => ({ task_id: name, name, ...TIMES })));
  await signIn(page, service, "?order_by=task_id&order=asc", key);
  await isLive(page);
  await expect(rows(page)).toHaveCount(3);
  await page.evaluate(() => {
    const drawn: string[] = [];
    new MutationObserver((changes) => {
      for (const { target, attributeName, oldValue } of changes) {
        const element = target instanceof Element ? target : target.parentElement;
        // The value 0 of a progress bar is set again whenever its row is compared, which draws nothing.
        if (attributeName === null || element?.getAttribute(attributeName) !== oldValue) {
          drawn.push(element?.closest("tr")?.querySelector(".c-task_id")?.textContent ?? "");
        }
      }
    }).observe(document.querySelector("table.tasks tbody") as Element, { subtree: true, childList: true, characterData: true, attributes: true, attributeOldValue: true });
    Object.assign(window, { drawn });
  });
  // The row changes with the watch's message, and the list is read again, since the task could be in another place.
  const readAgain = page.waitForResponse((response) => response.url().endsWith("/ListOutboundTasks"));
  await service.client(service.url, key).act("b", TaskAction.START);
  await expect(rows(page).nth(1).locator(".status")).toHaveText("Running");
  await (await readAgain).finished();
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 100))));
  expect(new Set(await page.evaluate<string[]>("drawn"))).toEqual(new Set(["b"]));
});
