// The tasks that the list shows, and their order.

import { COUNT, dayName, tasks, today } from "../support/data";
import { expect, rows, signIn, tab, test } from "../support/test";

const all = tasks();
const plain = (text: string | null) => Number((text ?? "").replace(/\D/g, ""));

test("tabs count every status, filter, and stand in the address", async ({ page, service }) => {
  await signIn(page, service);
  await expect(tab(page, "All").locator(".count")).toHaveText(/\d/);
  const total = plain(await tab(page, "All").locator(".count").textContent());
  expect(total).toBeGreaterThanOrEqual(COUNT);
  const each = ["Pending", "Running", "Paused", "Completed", "Stopped", "Failed"];
  let sum = 0;
  for (const name of each) {
    sum += plain(await tab(page, name).locator(".count").textContent());
  }
  expect(sum).toBe(total);
  await tab(page, "Failed").click();
  await expect(page).toHaveURL(/\?status=failed$/);
  await expect(tab(page, "Failed")).toHaveAttribute("aria-current", "true");
  await expect.poll(async () => new Set(await rows(page).locator(".status").allTextContents())).toEqual(new Set(["Failed"]));
  await tab(page, "Active").click();
  await expect(page).toHaveURL(/status=pending,running,paused/);
  await page.goBack();
  await expect(tab(page, "Failed")).toHaveAttribute("aria-current", "true");
  await page.reload();
  await expect(rows(page).locator(".status").first()).toHaveText("Failed");
});

test("search finds names by a part of them, customers and ids whole", async ({ page, service }) => {
  await signIn(page, service);
  await page.getByRole("searchbox").fill("车险续保提醒 #133");
  await expect(page).toHaveURL(/name=/);
  const wanted = all.filter(({ name }) => name.includes("车险续保提醒 #133")).map(({ task_id }) => task_id);
  await expect(rows(page)).toHaveCount(wanted.length);
  expect((await rows(page).locator(".c-task_id").allTextContents()).sort()).toEqual(wanted.sort());

  await page.getByRole("button", { name: "Clear filters" }).click();
  await expect(page.getByRole("searchbox")).toHaveValue("");
  await page.getByRole("combobox", { name: "Search" }).selectOption("customer_id");
  await page.getByRole("searchbox").fill("cust1234");
  const calling = all.filter(({ target }) => target.includes("cust1234")).length;
  await expect(page.locator(".pager")).toContainText(`of ${calling}`);

  await page.goto(`${service.url}/console/?task_ids=T000042`);
  await expect(rows(page)).toHaveCount(1);
  await page.goto(`${service.url}/console/?name=no+such+name`);
  await expect(page.getByText("No task matches.")).toBeVisible();
});

test("a range of days is one of the viewer's zone", async ({ page, service }) => {
  const day = dayName();
  const isIn = ({ start_time }: { start_time: string }) => {
    const start = Date.parse(start_time);
    return start >= today() && start < today() + 24 * 3_600_000;
  };
  await signIn(page, service, "?order=asc&limit=100&name=%23");
  await page.goto(`${service.url}/console/?order=asc&limit=100&name=%23&start_date=${day}&end_date=${day}`);
  await expect(page.locator(".pager").first()).toContainText(`of ${all.filter(isIn).length}`);
  await page.getByRole("button", { name: "Today" }).click();
  await expect(page.getByRole("combobox", { name: "Date of" })).toHaveValue("5");
  const runs = all.filter(
    ({ start_time, end_time }) => Date.parse(start_time) < today() + 24 * 3_600_000 && Date.parse(end_time) > today(),
  ).length;
  await expect(page).toHaveURL(/date_field=window/);
  await expect(page.locator(".pager").first()).toContainText(`of ${runs}`);
});

test("headings sort, both ways", async ({ page, service }) => {
  await signIn(page, service, "?name=%23");
  const ids = () => rows(page).locator(".c-task_id").allTextContents();
  const sorted = all.map(({ task_id }) => task_id).sort();
  // Ids and names from A, all else from the latest and highest.
  await page.getByRole("button", { name: "Task id" }).click();
  await expect(page).toHaveURL(/order_by=task_id&order=asc/);
  await expect.poll(ids).toEqual(sorted.slice(0, 20));
  await page.getByRole("button", { name: "Task id" }).click();
  await expect(page.getByRole("columnheader", { name: "Task id" })).toHaveAttribute("aria-sort", "descending");
  await expect.poll(ids).toEqual(sorted.slice(-20).reverse());
  await page.getByRole("button", { name: "Progress" }).click();
  await expect(rows(page).locator(".percent").first()).toHaveText("100%");
});

test("pages by number, at any depth, each for one request", async ({ page, service }) => {
  await signIn(page, service, "?order_by=task_id&order=asc&limit=50&name=%23");
  await expect(rows(page)).toHaveCount(50);
  // Only requests for this page count: the previous page may be requested again when its watch has begun. The message
  // follows five bytes of its frame, and begins with field 1, the number of the page.
  let asked = 0;
  page.on("request", (request) => {
    const body = request.postDataBuffer();
    if (request.url().endsWith("/ListOutboundTasks") && body?.[5] === 8 && body[6] === 97) {
      asked += 1;
    }
  });
  const number = page.getByRole("textbox", { name: "Page" });
  await number.fill("97");
  await number.press("Enter");
  await expect(rows(page).locator(".c-task_id").first()).toHaveText("T004800");
  await expect(page).toHaveURL(/page=97/);
  expect(asked).toBe(1);
  await page.getByRole("link", { name: "Next page" }).click();
  await expect(rows(page).locator(".c-task_id").first()).toHaveText("T004850");
  await page.getByRole("link", { name: "Last page" }).click();
  await expect(rows(page).locator(".c-task_id").last()).toHaveText("T005999");
  await page.getByRole("combobox", { name: "Rows" }).selectOption("200");
  await expect(page).toHaveURL(/page=30&limit=200/);
  await expect(rows(page).locator(".c-task_id").last()).toHaveText("T005999");
  await page.goto(`${service.url}/console/?page=4000`);
  await expect(page.getByText("Page 4,000 does not exist")).toBeVisible();
  await page.getByRole("link", { name: "Go to the last page" }).click();
  await expect(rows(page).first()).toBeVisible();
});

test("the valid parts of an invalid address are used", async ({ page, service }) => {
  await signIn(page, service, "?status=nonsense&start_date=2026-02-31&order_by=x&page=-3&limit=9999999&task_ids=T000001");
  await expect(rows(page)).toHaveCount(1);
  await page.goto(`${service.url}/console/nowhere`);
  expect(await page.locator("body").textContent()).toContain("NOT_FOUND");
});
