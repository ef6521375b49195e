// The parts of a campaign's life in the console: created, filled, changed, exported, deleted. whole-life.spec.ts has all of it.

import { readFileSync } from "node:fs";
import { TaskStatus, timestampFromDate } from "@outbound-tasks/client";
import { gbk } from "../support/gbk";
import { checkAccess, expect, isLive, picture, rows, signIn, test } from "../support/test";

/** A lead list. */
const LIST = gbk("手机号,姓名", "13800138000,张三", "13900139000,李四", "13800138000,张三");

test("a task is created and gets customers from a GBK file and by paste", async ({ page, service }) => {
  await signIn(page, service);
  await page.getByRole("button", { name: "New task" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill("七月回访");
  await dialog.getByLabel("Start").fill("2030-07-01T09:00");
  // The end follows a start behind it.
  await dialog.getByLabel("Start").blur();
  await expect(dialog.getByLabel("End", { exact: true })).toHaveValue("2030-07-01T18:00");
  await dialog.getByLabel("Task id").fill("july");
  await checkAccess(page);
  await picture(page, "create");
  await dialog.getByRole("button", { name: "Create" }).click();
  await expect(page).toHaveURL(/\/console\/tasks\/july$/);

  const add = page.getByRole("dialog", { name: "Add customers" });
  await add.getByLabel("Or a file").setInputFiles({ name: "名单.csv", mimeType: "text/csv", buffer: LIST });
  await add.getByRole("button", { name: "Check" }).click();
  await expect(add.getByRole("status")).toContainText("2 customers would be added.");
  await expect(add.getByRole("status")).toContainText("1 are in the task already, or are repeated.");
  await expect(add.getByRole("status")).toContainText(/GB/);
  await checkAccess(page);
  await picture(page, "add-file");
  // Nothing is stored by a check.
  expect((await service.client().rpc.getOutboundTask({ taskId: "july" })).task?.targetCount).toBe(0);
  await add.getByRole("button", { name: "Add 2 customers" }).click();
  const customers = page.getByRole("table", { name: "Targets" }).locator("tbody tr td:first-child");
  await expect(customers).toHaveText(["13800138000", "13900139000"]);

  await page.getByRole("button", { name: "Add customers…" }).click();
  await add.getByLabel("Customer ids").fill("13800138000\n13700137000，\"odd\" id");
  await expect(add.getByText('Customers, 3 in all: 13800138000, 13700137000, "odd" id')).toBeVisible();
  await expect(add.getByRole("status").filter({ hasText: "Some have no digit." })).toBeVisible();
  await add.getByRole("button", { name: "Check" }).click();
  await add.getByRole("button", { name: "Add 2 customers" }).click();
  await expect(customers).toHaveText(["13800138000", "13900139000", "13700137000", '"odd" id']);
  await expect(page.locator(".toast")).toContainText("七月回访: 2 customers added");

  await page.getByRole("button", { name: "Remove 13900139000" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove 1" }).click();
  await expect(customers).toHaveText(["13800138000", "13700137000", '"odd" id']);
  await page.getByRole("button", { name: "Actions: 七月回访" }).click();
  await page.getByRole("menuitem", { name: "Remove customers…" }).click();
  await page.getByRole("dialog").getByLabel("Customer ids").fill("13700137000\nnobody");
  await page.getByRole("dialog").getByRole("button", { name: "Remove 2" }).click();
  await expect(page.locator(".toast")).toContainText("Removed: 1. Not in the task: 1");
  await expect(customers).toHaveCount(2);
});

test("a file of many chunks arrives whole", async ({ page, service }) => {
  const time = timestampFromDate(new Date());
  await service.client().rpc.createOutboundTask({ task: { taskId: "many-chunks", name: "Many chunks", startTime: time, endTime: time } });
  await signIn(page, service, "tasks/many-chunks");
  await page.getByRole("button", { name: "Add customers…" }).click();
  const add = page.getByRole("dialog");
  const numbers = Array.from({ length: 60_000 }, (_, n) => `138${String(n).padStart(8, "0")}`);
  await add.getByLabel("Or a file").setInputFiles({ name: "many.txt", mimeType: "text/plain", buffer: Buffer.from(numbers.join("\n")) });
  await add.getByRole("button", { name: "Check" }).click();
  await add.getByRole("button", { name: "Add 60,000 customers" }).click({ timeout: 20_000 });
  await expect(page.locator(".pager")).toContainText("of 60,000", { timeout: 20_000 });
  // One customer of many is found at once.
  await page.getByRole("searchbox", { name: "Whole customer id" }).fill("13800054321");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("table", { name: "Targets" }).locator("tbody tr")).toHaveCount(1);
});

test("a file with bad rows is refused before anything is stored", async ({ page, service }) => {
  const time = timestampFromDate(new Date());
  await service.client().rpc.createOutboundTask({ task: { taskId: "bad-file", name: "Bad file", startTime: time, endTime: time } });
  await signIn(page, service, "tasks/bad-file");
  await page.getByRole("button", { name: "Add customers…" }).click();
  const add = page.getByRole("dialog");
  const buffer = Buffer.from(`phone\n13800138000\n${"9".repeat(129)}\n`);
  await add.getByLabel("Or a file").setInputFiles({ name: "bad.csv", mimeType: "text/csv", buffer });
  await add.getByRole("button", { name: "Check" }).click();
  await expect(add.getByRole("alert")).toContainText("Bad rows: 1");
  await expect(add.getByRole("alert")).toContainText("Line 3:");
  await picture(page, "bad-file");
  await expect(add.getByRole("button", { name: "Check" })).toBeDisabled();
});

test("a task is edited, also while results arrive, and an overtaken edit shows the other one first", async ({ page, service }) => {
  const { rpc } = service.client();
  const at = (hour: number) => timestampFromDate(new Date(Date.UTC(2030, 0, 1, hour, 0, 30)));
  await rpc.createOutboundTask({ task: { taskId: "edited", name: "Edited", startTime: at(1), endTime: at(9), target: ["a", "b"] } });
  await signIn(page, service, "?task_ids=edited");
  await rows(page).first().getByRole("button", { name: "Actions: Edited" }).click();
  await checkAccess(page);
  await picture(page, "menu");
  await page.getByRole("menuitem", { name: "Edit…" }).click();
  const dialog = page.getByRole("dialog", { name: "Edit" });
  await expect(dialog.getByRole("button", { name: "Save" })).toBeDisabled();
  await dialog.getByLabel("Name").fill("Edited twice");
  await rpc.reportTargetResults({ taskId: "edited", results: [{ customerId: "a", state: 2, attempt: 1, time: at(2) }] });
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(rows(page).first().locator(".c-name")).toHaveText("Edited twice");
  // What was not changed keeps its seconds.
  expect((await rpc.getOutboundTask({ taskId: "edited" })).task?.startTime?.seconds).toBe(at(1).seconds);

  await rows(page).first().getByRole("button", { name: /^Actions:/ }).click();
  await page.getByRole("menuitem", { name: "Edit…" }).click();
  await dialog.getByLabel("Name").fill("Mine");
  await rpc.updateOutboundTask({ task: { taskId: "edited", name: "Theirs" }, updateMask: { paths: ["name"] } });
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(dialog.getByText("Someone else has changed the task meanwhile: Theirs")).toBeVisible();
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(rows(page).first().locator(".c-name")).toHaveText("Mine");
});

test("a task is deleted after a question", async ({ page, service }) => {
  const time = timestampFromDate(new Date());
  await service.client().rpc.createOutboundTask({ task: { taskId: "away", name: "Goes away", startTime: time, endTime: time } });
  await signIn(page, service, "?task_ids=away");
  await isLive(page);
  await rows(page).first().getByRole("button", { name: /^Actions:/ }).click();
  await page.getByRole("menuitem", { name: "Delete…" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await expect(page.locator(".toast")).toContainText("Goes away: deleted");
  await expect(rows(page)).toHaveCount(0);
});

test("the list and the targets are exported", async ({ page, service }) => {
  const time = timestampFromDate(new Date());
  const { rpc } = service.client();
  await rpc.createOutboundTask({ task: { taskId: "out", name: "=Out, \"now\"", startTime: time, endTime: time, target: ["a,1", "b"], labels: { team: "a" } } });
  await signIn(page, service, "?task_ids=out&task_ids=T000001");
  await expect(rows(page)).toHaveCount(2);
  const exported = async (format: string) => {
    await page.getByRole("button", { name: "Export…" }).click();
    await page.getByRole("dialog").getByLabel("Format").selectOption(format);
    await expect(page.getByRole("dialog").getByText("It has the first 100 customers")).toHaveCount(format === "table" ? 0 : 1);
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("dialog").getByRole("button", { name: "Export" }).click()]);
    await expect(page.getByRole("dialog")).toHaveCount(0);
    return { name: download.suggestedFilename(), file: readFileSync(await download.path()) };
  };
  const csv = await exported("csv");
  expect(csv.name).toMatch(/^Tasks \d{4}-\d{2}-\d{2}\.csv$/);
  expect(csv.file.toString().trim().split("\n")).toHaveLength(3);
  expect(csv.file.toString()).toContain('"\'=Out, ""now"""');
  expect((await exported("xlsx")).file.subarray(0, 2).toString()).toBe("PK");
  // For people: their words, and the results of the calls.
  await rpc.reportTargetResults({ taskId: "out", results: [{ customerId: "b", state: 2, attempt: 1, time }] });
  const [header, ...tasks] = (await exported("table")).file.toString().trimEnd().split("\r\n");
  expect(header).toMatch(/^\ufeffTask id,Name,Status,Start,End,Progress,.*,Answered,.*,Connect rate,Labels,/);
  const out = tasks.find((row) => row.startsWith("out,"));
  expect(out).toMatch(/^out,"'=Out, ""now""",Pending,\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,[^,]+,50%,2,1,0,0,0,0,1,100%,team=a,/);
  expect(tasks).toHaveLength(2);

  await page.goto(`${service.url}/console/tasks/out`);
  await page.getByRole("button", { name: /^Actions:/ }).click();
  await page.getByRole("menuitem", { name: "Export targets…" }).click();
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("dialog").getByRole("button", { name: "Export" }).click()]);
  expect(readFileSync(await download.path(), "utf8")).toMatch(
    /^\ufeffCustomer,Result,Attempt,Time\r\n"a,1",Not called,0,\r\nb,Answered,1,\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\r\n$/,
  );
  expect((await rpc.getOutboundTask({ taskId: "out" })).task?.status).toBe(TaskStatus.PENDING);
});
