// Labels: seen, edited, and a filter of the list that everything about the list follows.

import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { TaskAction, timestampFromDate } from "@outbound-tasks/client";
import { checkAccess, expect, isLive, picture, rows, signIn, tab, tenant, test } from "../support/test";

const HOUR = 3_600_000;
const at = (hours: number) => new Date(Date.now() + hours * HOUR).toISOString();
const times = { start_time: at(1), end_time: at(2) };

test("a click on a label filters the list, and counts, exports, commands, bulk actions and changes follow", async ({ page, service, context }, info) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const key = await tenant(service, info, "labels", [
    { task_id: "l1", name: "one", labels: { region: "华东, 上海", team: "a" }, ...times },
    { task_id: "l2", name: "two", labels: { region: "华东, 上海", team: "b" }, ...times },
    { task_id: "l3", name: "three", labels: { region: "west" }, ...times },
    { task_id: "l4", name: "four", ...times },
  ]);
  const other = service.client(service.url, key);
  await other.act("l2", TaskAction.START);
  await signIn(page, service, "tasks/l1", key);
  await expect(page.locator(".facts .label")).toHaveText(["region=华东, 上海", "team=a"]);
  await checkAccess(page);
  await page.getByRole("link", { name: "region=华东, 上海" }).click();
  await expect(rows(page).locator(".c-task_id")).toHaveText(["l2", "l1"]);
  await expect(page).toHaveURL(/label=region%3D/);
  await expect(tab(page, "All").locator(".count")).toHaveText("2");
  await expect(tab(page, "Running").locator(".count")).toHaveText("1");
  await isLive(page);

  // Live: a task gets the label, another one loses it.
  await other.rpc.updateOutboundTask({ task: { taskId: "l3", labels: { region: "华东, 上海" } }, updateMask: { paths: ["labels.region"] } });
  await expect(rows(page)).toHaveCount(3);
  await other.rpc.updateOutboundTask({ task: { taskId: "l2", labels: {} }, updateMask: { paths: ["labels.region"] } });
  await expect(rows(page).locator(".c-task_id")).toHaveText(["l3", "l1"]);

  // The column is shown on request, and its labels narrow the filter.
  await page.getByRole("button", { name: "More about this list" }).click();
  await page.getByRole("menuitem", { name: "Columns…" }).click();
  await page.getByRole("checkbox", { name: "Labels" }).check();
  await page.getByRole("dialog").getByRole("button", { name: "Close" }).click();
  await checkAccess(page);
  await picture(page, "labels");
  await rows(page).nth(1).getByRole("button", { name: "team=a" }).click();
  await expect(rows(page).locator(".c-task_id")).toHaveText(["l1"]);
  await page.getByRole("button", { name: "Remove the filter region=华东, 上海" }).click();
  await expect(page).toHaveURL(/\?label=team%3Da$/);
  await page.reload();
  await expect(rows(page).locator(".c-task_id")).toHaveText(["l1"]);

  // Typed: a key alone, and what cannot be a label.
  const field = page.getByRole("combobox", { name: "Label: key=value" });
  await field.fill("Team=a");
  await field.press("Enter");
  await expect(page.getByRole("alert")).toContainText("A key has 1–63");
  await checkAccess(page);
  await field.fill("region");
  await field.press("Enter");
  await expect(page.locator(".label.chosen")).toHaveText(["team=a×", "region×"]);
  await page.getByRole("button", { name: "Remove the filter team=a" }).click();
  await expect(rows(page)).toHaveCount(2);

  await page.getByRole("button", { name: "More about this list" }).click();
  await page.getByRole("menuitem", { name: "Copy as curl" }).click();
  await expect(page.locator(".toast")).toContainText("Copied.");
  const command = await page.evaluate(() => navigator.clipboard.readText());
  const { stdout } = await promisify(execFile)("sh", ["-c", command], { env: { ...process.env, OUTBOUND_TASKS_API_KEY: key } });
  expect(JSON.parse(stdout)).toMatchObject({ total: 2 });
  await page.getByRole("button", { name: "More about this list" }).click();
  await page.getByRole("menuitem", { name: "Copy as grpcurl" }).click();
  await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toContain('"label":["region"]');

  await page.getByRole("button", { name: "Export…" }).click();
  await page.getByRole("combobox", { name: "Format" }).selectOption("ndjson");
  const waiting = page.waitForEvent("download");
  await page.getByRole("dialog").getByRole("button", { name: "Export" }).click();
  const text = await readFile(await (await waiting).path(), "utf8");
  expect(text.trim().split("\n").map((line) => JSON.parse(line).task_id).sort()).toEqual(["l1", "l3"]);

  await page.goto(`${service.url}/console/?label=region&limit=1`);
  await page.getByRole("checkbox", { name: "Select all tasks of this page" }).check();
  const bar = page.getByRole("group", { name: "Selected tasks" });
  await bar.getByRole("button", { name: "Select all 2 of this list" }).click();
  await bar.getByRole("button", { name: "Start" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Start: 2" }).click();
  await expect(page.locator(".toast")).toContainText("Start: 2 tasks");
  expect((await other.rpc.getOutboundTask({ taskId: "l4" })).task?.statusReason).toBe("");
  await page.getByRole("button", { name: "Clear filters" }).click();
  await expect(tab(page, "Running").locator(".count")).toHaveText("3");
  await expect(tab(page, "Pending").locator(".count")).toHaveText("1");
});

test("labels are set, changed and copied in the forms, with errors at the field", async ({ page, service }, info) => {
  const key = await tenant(service, info, "label-forms", []);
  const other = service.client(service.url, key);
  const labels = async (taskId: string) => (await other.rpc.getOutboundTask({ taskId })).task?.labels;
  await signIn(page, service, "", key);
  await page.getByRole("button", { name: "New task" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill("Labelled");
  await dialog.getByLabel("Task id").fill("made");
  await dialog.getByRole("button", { name: "Add a label" }).press("Enter");
  await expect(dialog.getByLabel("Key of label 1")).toBeFocused();
  await page.keyboard.type("Region");
  await expect(dialog.getByRole("alert")).toContainText("1–63 of the characters");
  await expect(dialog.getByLabel("Key of label 1")).toHaveAttribute("aria-invalid", "true");
  await expect(dialog.getByRole("button", { name: "Create" })).toBeDisabled();
  await checkAccess(page);
  await picture(page, "label-form");
  await dialog.getByLabel("Key of label 1").fill("region");
  await dialog.getByLabel("Value of label 1").fill("x".repeat(256));
  await expect(dialog.getByRole("alert")).toHaveText("At most 255 characters.");
  // 255 characters, each of two units of UTF-16.
  await dialog.getByLabel("Value of label 1").fill("🏙".repeat(255));
  await expect(dialog.getByRole("alert")).toHaveCount(0);
  await dialog.getByRole("button", { name: "Add a label" }).click();
  await dialog.getByLabel("Key of label 2").fill("region");
  await expect(dialog.getByRole("alert")).toHaveText("Another label has this key.");
  await dialog.getByLabel("Key of label 2").fill("team/a-1");
  await dialog.getByRole("button", { name: "Add a label" }).click(); // a blank one is no label
  await dialog.getByRole("button", { name: "Create" }).click();
  await expect(page.locator(".facts .label")).toHaveCount(2);
  expect(await labels("made")).toEqual({ region: "🏙".repeat(255), "team/a-1": "" });
  await page.keyboard.press("Escape");

  await page.getByRole("button", { name: "Actions: Labelled" }).click();
  await page.getByRole("menuitem", { name: "Edit…" }).click();
  await dialog.getByLabel("Value of label 1").fill("east");
  await dialog.getByRole("button", { name: "Remove label 2" }).click();
  // Someone else changes the labels meanwhile, and is not overwritten unseen.
  await other.rpc.updateOutboundTask({ task: { taskId: "made", labels: { region: "north" } }, updateMask: { paths: ["labels"] } });
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(dialog).toContainText("labels: region=north. Saving replaces that.");
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(page.locator(".facts .label")).toHaveText(["region=east"]);
  const events = page.locator(".events");
  await expect(events).toContainText("Label region: north → east");
  // "team/a-1" had an empty value before someone else removed it.
  await expect(events).toContainText("Label team/a-1: empty → removed");
  await expect(events).toContainText(/Label team\/a-1: empty(?! →)/);

  await page.getByRole("button", { name: "Actions: Labelled" }).click();
  await page.getByRole("menuitem", { name: "Copy…" }).click();
  await expect(dialog.getByLabel("Value of label 1")).toHaveValue("east");
  await dialog.getByLabel("Value of label 1").fill("again");
  await dialog.getByLabel("Task id").fill("copied");
  await dialog.getByRole("button", { name: "Copy" }).click();
  await expect(page.locator(".facts .label")).toHaveText(["region=again"]);
  expect(await labels("copied")).toEqual({ region: "again" });
  expect(await labels("made")).toEqual({ region: "east" });

  // As many as a task can have.
  const many = Object.fromEntries(Array.from({ length: 32 }, (_, n) => [`key${n}`, "v"]));
  const task = { taskId: "many", name: "many", startTime: timestampFromDate(new Date(times.start_time)), endTime: timestampFromDate(new Date(times.end_time)), labels: many };
  await other.rpc.createOutboundTask({ task });
  await page.goto(`${service.url}/console/tasks/many`);
  await page.getByRole("button", { name: "Actions: many" }).click();
  await page.getByRole("menuitem", { name: "Edit…" }).click();
  await expect(dialog.getByRole("button", { name: "Add a label" })).toBeDisabled();
});

for (const [language, colorScheme] of [["zh-CN", "dark"], ["en-GB", "light"]] as const) {
  test.describe(language, () => {
    test.use({ locale: language, colorScheme, viewport: { width: 390, height: 844 } });

    test("labels fit a telephone", async ({ page, service }, info) => {
      const labels = { "a.very.long.key/of-a-label": "x".repeat(255), region: "华东", team: "b", wave: "3" };
      const key = await tenant(service, info, `label-small-${colorScheme}`, [{ task_id: "s1", name: "one", labels, ...times }]);
      await page.addInitScript(() => localStorage.setItem("outbound-tasks.hidden", ""));
      await signIn(page, service, "?label=region&label=team%3Db", key);
      const overflow = () => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      await expect(rows(page)).toHaveCount(1);
      await expect(page.locator(".label.chosen")).toHaveCount(2);
      expect(await overflow()).toBeLessThanOrEqual(0);
      await checkAccess(page);
      await picture(page, `labels-390-${colorScheme}`);
      await page.locator(".toggle").click();
      await checkAccess(page);
      expect(await overflow()).toBeLessThanOrEqual(0);
      await rows(page).getByRole("link").first().click();
      await expect(page.locator(".facts .label")).toHaveCount(4);
      expect(await overflow()).toBeLessThanOrEqual(0);
      await page.locator(".head .menu-button").click();
      await page.getByRole("menuitem", { name: /编辑|Edit/ }).click();
      await checkAccess(page);
      await picture(page, `label-form-390-${colorScheme}`);
    });
  });
}
