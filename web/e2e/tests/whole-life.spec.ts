// A campaign's whole life in the console alone, from a file of Excel's to its copy for those not reached, in two browsers at
// once: one of a supervisor who prepares it, one of a colleague who looks after it. Only the diallers do not use the console.

import { type Page } from "@playwright/test";
import { TargetState, timestampFromDate } from "@outbound-tasks/client";
import { gbk } from "../support/gbk";
import { checkAccess, expect, isLive, picture, rows, signIn, test } from "../support/test";

/** A lead list as Chinese Excel saves it. */
const LIST = gbk("手机号,姓名", "13800138000,张三", "13900139000,李四", "13700137000,王五");
const NAME = "八月回访";

/** Presses an action of the task's page, and confirms it. */
async function act(page: Page, action: string, reason = ""): Promise<void> {
  await page.locator(".head").getByRole("button", { name: action, exact: true }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Reason").fill(reason);
  await dialog.getByRole("button", { name: action }).click();
  await expect(dialog).toHaveCount(0);
}

test("a campaign lives from a GBK file to its copy, in two browsers at once", async ({ page, browser, service }) => {
  const status = (of: Page) => of.locator(".head .status");
  const name = (of: Page) => of.locator(".head h1");
  // Created and filled by the supervisor.
  await signIn(page, service);
  await page.getByRole("button", { name: "New task" }).click();
  const create = page.getByRole("dialog");
  await create.getByLabel("Name").fill("八月");
  await create.getByLabel("Start").fill("2030-08-01T09:00");
  await create.getByLabel("End", { exact: true }).fill("2030-08-01T18:00");
  await create.getByLabel("Task id").fill("august");
  await create.getByRole("button", { name: "Create" }).click();
  const add = page.getByRole("dialog", { name: "Add customers" });
  await add.getByLabel("Or a file").setInputFiles({ name: "名单.csv", mimeType: "text/csv", buffer: LIST });
  await add.getByRole("button", { name: "Check" }).click();
  await add.getByRole("button", { name: "Add 3 customers" }).click();
  await expect(page.getByRole("table", { name: "Targets" }).locator("tbody tr")).toHaveCount(3);

  // The colleague's browser is another one, with a key of its own. Both change the name at once: the second sees the first.
  const context = await browser.newContext();
  const second = await context.newPage();
  await signIn(second, service, "tasks/august", await service.newKey("read,write"));
  await isLive(second);
  const edit = async (of: Page, text: string) => {
    await of.locator(".head").getByRole("button", { name: "Actions: 八月" }).click();
    await of.getByRole("menuitem", { name: "Edit…" }).click();
    await of.getByRole("dialog").getByLabel("Name").fill(text);
  };
  await edit(page, NAME);
  await edit(second, "九月回访");
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await expect(name(page)).toHaveText(NAME);
  const overtaken = second.getByRole("dialog");
  await overtaken.getByRole("button", { name: "Save" }).click();
  await expect(overtaken.getByText(`Someone else has changed the task meanwhile: ${NAME}`)).toBeVisible();
  await overtaken.getByRole("button", { name: "Cancel" }).click();
  await expect(name(second)).toHaveText(NAME);

  // Started in one, paused and resumed in the other; each sees what the other did.
  await act(page, "Start");
  await expect(status(second)).toHaveText("Running");
  await act(second, "Pause", "line is down");
  await expect(status(page)).toHaveText("Paused");
  await expect(page.locator(".events > li").first()).toContainText("line is down");
  await act(second, "Resume");
  await expect(status(page)).toHaveText("Running");

  // The diallers report, and both browsers show it.
  const time = timestampFromDate(new Date());
  const result = (customerId: string, state: TargetState) => ({ customerId, state, attempt: 1, time });
  const results = [result("13800138000", TargetState.ANSWERED), result("13900139000", TargetState.BUSY)];
  await service.client().rpc.reportTargetResults({ taskId: "august", results });
  for (const of of [page, second]) {
    await expect(of.getByText("1 of 3 targets need no further call.")).toBeVisible();
  }
  await act(page, "Stop", "the day is over");
  await expect(status(second)).toHaveText("Stopped");

  // The colleague copies it for those who were not reached, and starts the copy.
  await second.locator(".head").getByRole("button", { name: `Actions: ${NAME}` }).click();
  await second.getByRole("menuitem", { name: "Copy…" }).click();
  const copy = second.getByRole("dialog", { name: "Copy" });
  await expect(copy.getByLabel("Name")).toHaveValue(`${NAME} (copy)`);
  await expect(copy.getByRole("checkbox", { name: "Busy (1)" })).toBeChecked();
  await expect(copy.getByRole("checkbox", { name: "Answered (1)" })).not.toBeChecked();
  await expect(copy.getByText("2 customers will be copied.")).toBeVisible();
  await checkAccess(second);
  await picture(second, "copy");
  await copy.getByRole("button", { name: "Copy" }).click();
  await expect(name(second)).toHaveText(`${NAME} (copy)`);
  const customers = second.getByRole("table", { name: "Targets" }).locator("tbody tr td:first-child");
  await expect(customers).toHaveText(["13900139000", "13700137000"]);
  await act(second, "Start");
  await second.locator(".facts").getByRole("link", { name: "august" }).click();
  await expect(name(second)).toHaveText(NAME);

  // The supervisor sees the copy run.
  await page.goto(`${service.url}/console/?status=running&name=${NAME}`);
  await expect(rows(page).locator(".c-name")).toHaveText([`${NAME} (copy)`]);
  await context.close();
});
