// What makes the console quick to use: kept choices, shortcuts, commands to copy, times from now, undo, outcomes.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { TaskAction, timestampFromDate } from "@outbound-tasks/client";
import { checkAccess, expect, isLive, picture, rows, signIn, tenant, test } from "../support/test";

const HOUR = 3_600_000;
const now = () => timestampFromDate(new Date());

test("the number of rows and the columns are kept, and links stay complete", async ({ page, service, context }) => {
  await signIn(page, service, "?name=%23");
  await page.getByRole("combobox", { name: "Rows" }).selectOption("50");
  await expect(rows(page)).toHaveCount(50);
  await page.getByRole("button", { name: "More about this list" }).click();
  await page.getByRole("menuitem", { name: "Columns…" }).click();
  const dialog = page.getByRole("dialog", { name: "Columns" });
  await dialog.getByRole("checkbox", { name: "Created" }).uncheck();
  await checkAccess(page);
  await dialog.getByRole("button", { name: "Close" }).click();
  await expect(page.getByRole("columnheader", { name: "Created" })).toHaveCount(0);
  const later = await context.newPage();
  await later.goto(`${service.url}/console/?name=%23`);
  await expect(rows(later)).toHaveCount(50);
  await expect(later.getByRole("columnheader", { name: "Changed" })).toBeVisible();
  await expect(later.getByRole("columnheader", { name: "Created" })).toHaveCount(0);
  // The address of a colleague wins.
  await later.goto(`${service.url}/console/?name=%23&limit=20`);
  await expect(rows(later)).toHaveCount(20);
});

test("the keyboard searches, walks and helps", async ({ page, service }) => {
  await signIn(page, service, "?name=%23&order_by=task_id&order=asc");
  await expect(rows(page)).toHaveCount(20);
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await expect(rows(page).nth(1).getByRole("link")).toBeFocused();
  await page.keyboard.press("k");
  await expect(rows(page).nth(0).getByRole("link")).toBeFocused();
  await page.keyboard.press("/");
  await expect(page.getByRole("searchbox")).toBeFocused();
  await page.keyboard.type("j?");
  await expect(page.getByRole("searchbox")).toHaveValue("#j?");
  await page.keyboard.press("Tab");
  await page.locator("main").focus();
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog", { name: "Keyboard shortcuts" })).toBeVisible();
  await checkAccess(page);
});

test("commands to copy ask for the same list and have no key in them", async ({ page, service, context }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await signIn(page, service, "?name=it's%20%231&status=running&start_date=2020-01-01&order_by=task_id&order=asc");
  const copied = async (name: string) => {
    await page.getByRole("button", { name: "More about this list" }).click();
    await page.getByRole("menuitem", { name }).click();
    await expect(page.locator(".toast")).toContainText("Copied.");
    return page.evaluate(() => navigator.clipboard.readText());
  };
  const command = await copied("Copy as curl");
  expect(command).not.toContain(service.key);
  expect(command).toContain("time_zone=Asia");
  const { stdout } = await promisify(execFile)("sh", ["-c", command], { env: { ...process.env, OUTBOUND_TASKS_API_KEY: service.key } });
  expect(JSON.parse(stdout)).toMatchObject({ total: 0, tasks: [] });
  const other = await copied("Copy as grpcurl");
  const json = other.match(/-d '(.*)' 127/)?.[1]?.replaceAll("'\\''", "'") ?? "";
  expect(JSON.parse(json)).toMatchObject({
    name: "it's #1", status: ["TASK_STATUS_RUNNING"], orderBy: "TASK_ORDER_BY_TASK_ID", order: "SORT_ORDER_ASC", page: 1, limit: 20,
    dateField: "TASK_DATE_FIELD_START_TIME",
  });
  expect(other).toContain("outboundtasks.v1.OutboundTaskService/ListOutboundTasks");
});

test("a pause can be undone, and the task's page tells times from now and the connect rate", async ({ page, service }) => {
  const client = service.client();
  const target = ["a", "b", "c", "d", "e"];
  const at = (ms: number) => timestampFromDate(new Date(Date.now() + ms));
  await client.rpc.createOutboundTask({ task: { taskId: "rate", name: "Rate", startTime: at(-2.5 * HOUR), endTime: at(3.5 * HOUR), target } });
  await client.act("rate", TaskAction.START);
  for (const [n, state] of [2, 2, 3, 4].entries()) {
    await client.rpc.reportTargetResults({ taskId: "rate", results: [{ customerId: target[n] ?? "", state, attempt: 1, time: now() }] });
  }
  await signIn(page, service, "tasks/rate");
  await expect(page.locator(".facts")).toContainText("(2 hours ago)");
  await expect(page.locator(".facts")).toContainText("(in 3 hours)");
  await expect(page.locator(".rate")).toHaveText("Connect rate 50% (2 answered of 4 called)");
  await expect(page.locator(".legend")).toContainText("Answered 2 40%");
  // Reports that follow each other are one entry.
  await expect(page.locator(".events > li")).toHaveCount(3);
  await page.getByText("3 earlier reports").click();
  await page.getByRole("combobox", { name: "Kind of events" }).selectOption({ label: "Started" });
  await expect(page.locator(".events > li")).toHaveCount(1);
  await checkAccess(page);
  await picture(page, "cockpit");
  await isLive(page);
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Pause" }).click();
  await expect(page.locator(".head .status")).toHaveText("Paused");
  await page.getByRole("button", { name: "Undo" }).click();
  await expect(page.locator(".head .status")).toHaveText("Running");
});

test("the outcome of all tasks of a list is added up, and a day of the hours leads to its tasks", async ({ page, service }, info) => {
  const times = { start_time: new Date(Date.now() - HOUR).toISOString(), end_time: new Date(Date.now() + HOUR).toISOString(), status: "running" };
  const result = (customer_id: string, state: string) => ({ customer_id, state, attempt: 1, time: times.start_time });
  const key = await tenant(service, info, "outcome", [
    { task_id: "o1", name: "one", target: ["a", "b"], target_results: [result("a", "answered"), result("b", "busy")], ...times },
    { task_id: "o2", name: "two", target: ["a", "c"], target_results: [result("a", "answered"), result("c", "answered")], ...times },
  ]);
  await signIn(page, service, "", key);
  await page.getByRole("button", { name: "More about this list" }).click();
  await page.getByRole("menuitem", { name: "Outcome of this list…" }).click();
  const dialog = page.getByRole("dialog", { name: "Outcome of this list" });
  await expect(dialog).toContainText("2 tasks with 4 targets");
  await expect(dialog.locator(".rate")).toHaveText("Connect rate 75% (3 answered of 4 called)");
  await checkAccess(page);
  await picture(page, "outcome");
  await page.keyboard.press("Escape");
  await page.getByText("When tasks run").click();
  await expect(page.locator(".grid .now")).toHaveText("2");
  await page.locator(".grid tbody th a").first().click();
  await expect(page).toHaveURL(/date_field=window/);
  await expect(rows(page)).toHaveCount(2);
});
