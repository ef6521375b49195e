// The viewer of the HTTP API. The checks of every test hold for it too: nothing violates the policy, no other host is asked.

import { expect, test } from "../support/test";

test("the viewer shows every call and makes one", async ({ page, service }) => {
  await page.goto(`${service.url}/docs/`);
  await expect(page.getByText("/api/v1/outboundtasks:export", { exact: true })).toBeVisible();
  await expect(page.locator('[id$="-CreateOutboundTask"]')).toBeVisible();

  await page.getByRole("button", { name: "Authorize" }).first().click();
  await page.locator(".auth-container input").first().fill(service.key);
  await page.locator(".auth-container button.authorize").first().click();
  await page.locator(".btn-done").first().click();

  const call = page.locator('[id$="-GetQuota"]');
  await call.click();
  await call.getByRole("button", { name: "Try it out" }).click();
  await call.getByRole("button", { name: "Execute" }).click();
  await expect(call.locator(".live-responses-table tbody .response-col_status").first()).toContainText("200");
  await expect(call.locator(".live-responses-table")).toContainText("quotas");
});
