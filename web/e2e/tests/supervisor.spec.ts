// What stopped a supervisor who used the console without reading about it.

import { TaskAction, timestampDate } from "@outbound-tasks/client";
import { dayName, today } from "../support/data";
import { gbk } from "../support/gbk";
import { checkAccess, expect, isWhole, picture, rows, signIn, tab, tenant, test } from "../support/test";

const HOUR = 3_600_000;
const at = (hours: number) => new Date(Date.now() + hours * HOUR).toISOString();
/** A whole minute, which every time of a task here is. */
const MINUTE = new Date(Math.floor(Date.now() / 60_000) * 60_000);
const time = (hours: number) => new Date(MINUTE.getTime() + hours * HOUR).toISOString();

/** The customers' column has the console's own name. */
const BY_ID = gbk("客户编号,姓名", "13800138000,张三", "13900139000,李四");
/** It has a name that nobody knows. */
const UNKNOWN = gbk("编号甲,姓名", "13800138000,张三");

test("a file whose column of customers is not found says so, and suggests its columns", async ({ page, service }, info) => {
  const key = await tenant(service, info, "columns", [{ task_id: "c1", name: "one", start_time: at(1), end_time: at(2) }]);
  await signIn(page, service, "tasks/c1", key);
  await page.getByRole("button", { name: "Add customers…" }).click();
  const add = page.getByRole("dialog");
  await add.getByLabel("Or a file").setInputFiles({ name: "名单.csv", mimeType: "text/csv", buffer: UNKNOWN });
  await add.getByRole("button", { name: "Check" }).click();
  await expect(add.getByRole("alert")).toContainText("The file is not valid:");
  await expect(add.getByRole("alert")).toContainText("编号甲");
  await expect(add.getByRole("status").filter({ hasText: "Name the column of the customers in the field above." })).toBeVisible();
  const field = add.getByRole("combobox", { name: /^Column of the customers/ });
  expect(await field.evaluate((input: HTMLInputElement) => [...(input.list?.options ?? [])].map(({ value }) => value))).toEqual(["编号甲", "姓名"]);
  await checkAccess(page);
  await field.fill("编号甲");
  await add.getByRole("button", { name: "Check" }).click();
  await expect(add.getByRole("button", { name: "Add 1 customers" })).toBeVisible();
  // The name of the column in the console itself needs no help.
  await field.fill("");
  await add.getByLabel("Or a file").setInputFiles({ name: "名单.csv", mimeType: "text/csv", buffer: BY_ID });
  await add.getByRole("button", { name: "Check" }).click();
  await expect(add.getByRole("button", { name: "Add 2 customers" })).toBeVisible();
});

test("labels of the list are suggested, and a value alone finds its label", async ({ page, service }, info) => {
  const times = { start_time: at(1), end_time: at(2) };
  const key = await tenant(service, info, "suggested", [
    { task_id: "s1", name: "one", labels: { region: "华东", team: "a" }, ...times },
    { task_id: "s2", name: "two", labels: { region: "华北", team: "a" }, ...times },
  ]);
  await signIn(page, service, "", key);
  await expect(rows(page)).toHaveCount(2);
  const field = page.getByRole("combobox", { name: "Label: key=value" });
  const offered = (input: HTMLInputElement) => [...(input.list?.options ?? [])].map(({ value }) => value);
  await expect.poll(() => field.evaluate(offered)).toEqual(["region=华东", "region=华北", "team=a"].sort());
  await field.fill("华东");
  await field.press("Enter");
  await expect(rows(page).locator(".c-task_id")).toHaveText(["s1"]);
  await field.fill("华中");
  await field.press("Enter");
  await expect(page.getByRole("alert")).toContainText("Write key=value");
  await field.fill("");
  await page.getByRole("button", { name: "New task" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Add a label" }).click();
  await page.getByLabel("Key of label 1").fill("region");
  await expect.poll(() => page.getByLabel("Value of label 1").evaluate(offered)).toEqual(["华东", "华北"].sort());
  await checkAccess(page);
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Clear filters" }).click();
  await expect(rows(page)).toHaveCount(2);
  // Another tenant that signs in here sees neither the labels nor the rows.
  await page.getByRole("button", { name: "Sign out" }).click();
  const other = await tenant(service, info, "unsuggested", []);
  await page.locator('input[name="key"]').fill(other);
  await page.locator("form.login button").click();
  await expect(page.getByText("There are no tasks yet.")).toBeVisible();
  expect(await field.evaluate(offered)).toEqual([]);
});

test("the end of many tasks is moved, and those that have ended stay", async ({ page, service }, info) => {
  const key = await tenant(service, info, "moved", [
    { task_id: "m1", name: "one", start_time: time(-1), end_time: time(1), status: "running" },
    { task_id: "m2", name: "two", start_time: time(-1), end_time: time(2) },
    { task_id: "m3", name: "three", start_time: time(-3), end_time: time(-2), status: "completed" },
  ]);
  const other = service.client(service.url, key);
  const endOf = async (taskId: string) => {
    const { task } = await other.rpc.getOutboundTask({ taskId });
    return task?.endTime && timestampDate(task.endTime).toISOString();
  };
  await signIn(page, service, "?order_by=task_id&order=asc", key);
  await page.getByRole("checkbox", { name: "Select all tasks of this page" }).check();
  await page.getByRole("button", { name: "Move the end…" }).click();
  const dialog = page.getByRole("dialog", { name: "Move the end" });
  await expect(dialog).toContainText("The end of 2 tasks will change.");
  await expect(dialog).toContainText("1 stay as they are");
  await checkAccess(page);
  await picture(page, "move-end");
  // An end before the start is not offered.
  await dialog.getByLabel("Minutes later").fill("-150");
  await expect(dialog).toContainText("The end of 1 tasks will change.");
  await dialog.getByLabel("Minutes later").fill("90");
  await dialog.getByRole("button", { name: "Move: 2" }).click();
  await expect(page.locator(".toast")).toContainText("End moved: 2 tasks");
  expect([await endOf("m1"), await endOf("m2"), await endOf("m3")]).toEqual([time(2.5), time(3.5), time(-2)]);
  await expect(page.getByText("3 selected")).toHaveCount(0);
});

test("a customer is found in the tasks of a list, and removed from all of them", async ({ page, service }, info) => {
  const times = { start_time: at(1), end_time: at(2) };
  const key = await tenant(service, info, "customer", [
    { task_id: "r1", name: "one", target: ["a", "13800000007"], ...times },
    { task_id: "r2", name: "two", target: ["b", "13800000007"], ...times },
    { task_id: "r3", name: "three", target: ["c"], ...times },
  ]);
  const other = service.client(service.url, key);
  await signIn(page, service, "?customer_id=13800000007&order_by=task_id&order=asc", key);
  await rows(page).first().getByRole("link").click();
  await expect(page.getByRole("table", { name: "Targets" }).locator("tbody tr td:first-child")).toHaveText(["13800000007"]);
  await page.getByRole("link", { name: "Back to the list" }).click();
  await page.getByRole("checkbox", { name: "Select all tasks of this page" }).check();
  await page.getByRole("button", { name: "Remove customer 13800000007…" }).click();
  const dialog = page.getByRole("dialog", { name: "Remove customer 13800000007" });
  await expect(dialog).toContainText("will be removed from 2 tasks");
  await checkAccess(page);
  await dialog.getByRole("button", { name: "Remove from 2" }).click();
  await expect(page.locator(".toast")).toContainText("13800000007: removed from 2 tasks");
  await expect(rows(page)).toHaveCount(0);
  expect((await other.list({ customerId: "13800000007" })).total).toBe(0);
  expect((await other.list({})).tasks.map(({ targetCount }) => targetCount)).toEqual([1, 1, 1]);
});

test("a task says why it needs a person, a late end is marked, and an empty tab leads to the others", async ({ page, service }, info) => {
  const key = await tenant(service, info, "reasons", [
    { task_id: "late", name: "late", start_time: at(-3), end_time: at(-1), target: ["a"], status: "paused" },
    { task_id: "fine", name: "fine", start_time: at(1), end_time: at(2), target: ["a"] },
  ]);
  const other = service.client(service.url, key);
  await signIn(page, service, "?status=running&name=late", key);
  await page.getByRole("link", { name: "1 with another status" }).click();
  await expect(rows(page).locator(".late")).toContainText("Overdue");
  await checkAccess(page);
  await rows(page).first().getByRole("link").click();
  const needs = page.locator(".ids .late");
  await expect(needs).toHaveText("Needs a person: Overdue");
  await checkAccess(page);
  await picture(page, "needs");
  await other.act("late", TaskAction.STOP);
  await expect(needs).toHaveCount(0);
  await page.goto(`${service.url}/console/tasks/fine`);
  await expect(page.locator(".head .status")).toHaveText("Pending");
  await expect(needs).toHaveCount(0);
});

test("an event of more customers than it names says so", async ({ page, service }, info) => {
  const target = Array.from({ length: 123 }, (_, n) => `c${String(n).padStart(3, "0")}`);
  const key = await tenant(service, info, "many-named", [{ task_id: "e1", name: "one", start_time: at(1), end_time: at(2), target }]);
  const other = service.client(service.url, key);
  await other.rpc.removeTaskTargets({ taskId: "e1", customerIds: target.slice(0, 120) });
  await other.rpc.removeTaskTargets({ taskId: "e1", customerIds: target.slice(120, 122) });
  await signIn(page, service, "tasks/e1", key);
  const events = page.locator(".events > li");
  await expect(events.first().locator("summary")).toHaveText("Customers: 2");
  await expect(events.nth(1).locator("summary")).toHaveText("The first 100 customers");
  await events.nth(1).locator("summary").click();
  await expect(events.nth(1)).toContainText("c099");
  await expect(events.nth(1)).not.toContainText("c100");
});

test("tomorrow is a day of the calendar", async ({ page, service }, info) => {
  const start = today() + 48 * HOUR + 60_000;
  const key = await tenant(service, info, "tomorrow", [
    { task_id: "d1", name: dayName(), start_time: new Date(start).toISOString(), end_time: new Date(start + HOUR).toISOString() },
  ]);
  await signIn(page, service, "tasks/d1", key);
  // Less than 48 hours away, and not tomorrow.
  await expect(page.locator(".facts dd").first()).toContainText("(in 2 days)");
});

for (const width of [1440, 1024]) {
  test(`at ${width} px, a telephone number and the count of the others are in one line`, async ({ page, service }, info) => {
    const target = Array.from({ length: 240 }, (_, n) => `138${String(n).padStart(8, "0")}`);
    const key = await tenant(service, info, `phones-${width}`, [{ task_id: "p1", name: "one", start_time: at(1), end_time: at(2), target }]);
    await page.setViewportSize({ width, height: 900 });
    await signIn(page, service, "", key);
    const parts = rows(page).locator(".targets > *");
    await expect(parts).toHaveCount(2);
    const tops = await parts.evaluateAll((all) => all.map((part) => part.getBoundingClientRect().top));
    expect(new Set(tops).size).toBe(1);
    await isWhole(parts);
  });
}

for (const width of [1440, 390]) {
  test(`at ${width} px, the buttons of the keys are whole`, async ({ page, service }) => {
    await page.setViewportSize({ width, height: 844 });
    await signIn(page, service);
    await page.getByRole("button", { name: "API keys" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("button", { name: /^Revoke / }).first().click();
    const sure = dialog.getByRole("button", { name: /^Really revoke/ });
    await expect(sure).toBeVisible();
    const { right, edge } = await sure.evaluate((button) => ({
      right: button.getBoundingClientRect().right,
      edge: button.closest(".keys")?.getBoundingClientRect().right ?? 0,
    }));
    expect(right).toBeLessThanOrEqual(edge);
  });
}

test.describe("on a phone", () => {
  test.use({ viewport: { width: 390, height: 844 } });

  test("a long name is whole", async ({ page, service }, info) => {
    const name = "华东信用卡升级回访 第18批（十一月下旬，晚间）";
    const key = await tenant(service, info, "long-name", [{ task_id: "n1", name, start_time: at(1), end_time: at(2) }]);
    await signIn(page, service, "", key);
    await isWhole(rows(page).locator(".c-name a"));
    const { scrollWidth, clientWidth } = await rows(page).locator(".c-name a").evaluate(({ scrollWidth, clientWidth }) => ({ scrollWidth, clientWidth }));
    expect(scrollWidth).toBeLessThanOrEqual(clientWidth);
    await expect(tab(page, "Pending")).toBeVisible();
  });
});

test("a list of campaigns is imported from a file, after a check", async ({ page, service }, info) => {
  const key = await tenant(service, info, "imported", []);
  const other = service.client(service.url, key);
  await signIn(page, service, "", key);
  const open = async () => {
    await page.getByRole("button", { name: "More about this list" }).click();
    await page.getByRole("menuitem", { name: "Import tasks from a file…" }).click();
  };
  await open();
  const dialog = page.getByRole("dialog", { name: "Import tasks from a file" });
  const choose = (text: string) =>
    dialog.getByLabel("A file of tasks").setInputFiles({ name: "任务.csv", mimeType: "text/csv", buffer: Buffer.from(text) });
  await choose("任务编号,任务名称,开始时间,结束时间,客户\ni1,一,2030-07-01 09:00,x,138\n");
  await dialog.getByRole("button", { name: "Check" }).click();
  await expect(dialog.getByRole("alert")).toContainText("Bad rows: 1");
  await expect(dialog.getByRole("alert").locator("p")).toHaveCount(1);
  await expect(dialog.getByRole("button", { name: "Check" })).toBeDisabled();
  await choose("任务编号,任务名称,开始时间,结束时间,客户\ni1,一,2030-07-01 09:00,2030-07-01 18:00,138;139\ni2,二,2030-07-01 09:00,2030-07-01 18:00,\n");
  await dialog.getByRole("button", { name: "Check" }).click();
  await expect(dialog.getByRole("status")).toContainText("2 tasks with 2 targets would be created.");
  await checkAccess(page);
  await picture(page, "import");
  expect((await other.list({})).total).toBe(0);
  await dialog.getByRole("button", { name: "Import 2 tasks" }).click();
  await expect(page.locator(".toast")).toContainText("2 tasks imported");
  await expect(rows(page)).toHaveCount(2);
  // Nine in the morning of the console's zone.
  const start = (await other.rpc.getOutboundTask({ taskId: "i1" })).task?.startTime;
  const offset = Date.parse("2030-07-01T09:00Z") - (start ? timestampDate(start).getTime() : 0);
  expect(offset).toBe(today() % (24 * HOUR) === 0 ? 0 : 24 * HOUR - (today() % (24 * HOUR)));
  await open();
  await choose("任务编号,任务名称,开始时间,结束时间\ni1,一,2030-07-01 09:00,2030-07-01 18:00\ni3,三,2030-07-01 09:00,2030-07-01 18:00\n");
  await dialog.getByRole("checkbox", { name: "Leave out tasks whose id exists already" }).check();
  await dialog.getByRole("button", { name: "Check" }).click();
  await expect(dialog.getByRole("status")).toContainText("1 are left out: their ids exist already.");
  await dialog.getByRole("button", { name: "Import 1 tasks" }).click();
  await expect(rows(page)).toHaveCount(3);
});

test("a list of campaigns in GBK, with the headers of a Chinese call centre, needs no settings", async ({ page, service }, info) => {
  const key = await tenant(service, info, "imported-gbk", []);
  await signIn(page, service, "?order_by=task_id&order=asc", key);
  await page.getByRole("button", { name: "More about this list" }).click();
  await page.getByRole("menuitem", { name: "Import tasks from a file…" }).click();
  const dialog = page.getByRole("dialog", { name: "Import tasks from a file" });
  const imports = async (...lines: string[]) => {
    await dialog.getByLabel("A file of tasks").setInputFiles({ name: "任务.csv", mimeType: "text/csv", buffer: gbk(...lines) });
    await dialog.getByRole("button", { name: "Check" }).click();
  };
  // A column that no field has is named.
  await imports("任务编号,活动名称,计划开始时间,计划结束时间,负责人", "g1,冬季回访,2030/7/1 9:00,2030/7/1 18:00,李娜");
  await expect(dialog.getByRole("alert")).toContainText("负责人");
  await imports(
    "任务编号,活动名称,呼叫目标,计划开始时间,计划结束时间,任务状态,完成率,任务标签",
    "g1,冬季回访,13800138000;13900139000,2030/7/1 9:00,2030/7/1 18:00,未开始,0%,region=华东",
    "g2,\"春季回访, 晚间\",13700137000,2030/7/2 9:00,2030/7/2 18:00,已结束,100%,",
  );
  await expect(dialog.getByRole("status")).toContainText("2 tasks with 3 targets would be created.");
  await expect(dialog.getByRole("status")).toContainText("GB18030");
  await checkAccess(page);
  await picture(page, "import-gbk");
  await dialog.getByRole("button", { name: "Import 2 tasks" }).click();
  await expect(rows(page).locator(".c-name")).toHaveText(["冬季回访", "春季回访, 晚间"]);
  await expect(rows(page).locator(".c-start_time")).toHaveText(["01 Jul 2030 09:00", "02 Jul 2030 09:00"]);
  await expect(rows(page).locator(".c-status")).toHaveText(["Pending", "Completed"]);
  await expect(rows(page).locator(".percent")).toHaveText(["0%", "100%"]);
  await expect(rows(page).locator(".c-labels").first()).toHaveText("region=华东");
  // The other names of the customers' column.
  await page.getByRole("button", { name: "More about this list" }).click();
  await page.getByRole("menuitem", { name: "Import tasks from a file…" }).click();
  await imports("名称,外呼号码,预计开始时间,预计结束时间", "夏季回访,13600136000,2030/7/3 9:00,2030/7/3 18:00");
  await expect(dialog.getByRole("status")).toContainText("1 tasks with 1 targets would be created.");
});

test.describe("in Chinese", () => {
  test.use({ locale: "zh-CN" });

  test("bad rows of a file are told in Chinese, by the headers of the file", async ({ page, service }, info) => {
    const key = await tenant(service, info, "bad-rows-zh", []);
    await signIn(page, service, "", key);
    await page.getByRole("button", { name: "此列表的更多操作" }).click();
    await page.getByRole("menuitem", { name: "从文件导入任务…" }).click();
    const dialog = page.getByRole("dialog", { name: "从文件导入任务" });
    const lines = ["name,手机号,开始时间,结束时间,进度", "甲,1.38E+10,2030/7/1 9:00,,120", ",138,2030/7/1 9:00,明天,10", "乙,138,2030/7/1 9:00,2030/7/1 9:00,10,多"];
    await dialog.getByLabel("任务文件").setInputFiles({ name: "任务.csv", mimeType: "text/csv", buffer: gbk(...lines) });
    await dialog.getByRole("button", { name: "检查" }).click();
    await expect(dialog.getByRole("alert").getByRole("listitem")).toHaveText([
      /结束时间 必须填写。.*手机号 的值 1\.38E\+10 被表格软件、空格或错误的分隔符改动过.*进度 必须为 0–100，实际为 120。/,
      / 任务名称 必须填写。.*结束时间 必须是时间（年份在前，如 2030-03-01 09:00），实际为 明天。/,
      /单元格 数量必须为 5，实际为 6。/,
    ]);
    await expect(dialog.getByRole("alert")).not.toContainText("must");
  });
});
