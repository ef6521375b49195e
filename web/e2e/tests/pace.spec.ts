// How fast a task proceeds, and its progress over time.

import { create } from "@bufbuild/protobuf";
import { GetTaskProgressResponseSchema, TaskAction, TaskProgressPointSchema, timestampFromDate } from "@outbound-tasks/client";
import { rewritten } from "../support/answer";
import { checkAccess, expect, picture, signIn, tenant, test } from "../support/test";

const MINUTE = 60_000;

for (const { locale, heading, calls, end, soon } of [
  { locale: "en-GB", heading: "Progress over time", calls: "Calls per minute", end: "Expected end", soon: "known within two minutes" },
  { locale: "zh-CN", heading: "进度曲线", calls: "每分钟呼叫数", end: "预计完成时间", soon: "两分钟内可知" },
]) {
  test.describe(locale, () => {
    test.use({ locale });

    test("a running task shows its calls per minute, its expected end and its progress over time", async ({ page, service }, info) => {
      const at = (minutes: number) => new Date(Date.now() + minutes * MINUTE);
      const times = { start_time: at(-60).toISOString(), end_time: at(600).toISOString() };
      const key = await tenant(service, info, `pace-${locale.toLowerCase()}`, [{ task_id: "p", name: "pace", target: ["c1", "c2"], ...times }]);
      const client = service.client(service.url, key);
      await client.act("p", TaskAction.START);
      await signIn(page, service, "tasks/p", key);
      const section = page.getByRole("region", { name: heading });
      await expect(section).toContainText(soon);

      // An hour of calls takes too long for a test, so the answer is changed on its way.
      await page.route("**/GetTaskProgress", async (route) => {
        const response = await route.fetch();
        const body = rewritten(GetTaskProgressResponseSchema, await response.body(), (progress) => {
          progress.callsPerMinute = 12.34;
          progress.expectedEndTime = timestampFromDate(at(125));
          progress.points = [0, 10, 30, 55, 80].map((percent, n) =>
            create(TaskProgressPointSchema, { at: timestampFromDate(at(15 * n - 60)), progress: percent }),
          );
        });
        await route.fulfill({ response, body });
      });
      await page.reload();
      await expect(section.getByText(calls).locator("+ dd")).toHaveText("12.3");
      await expect(section.getByText(end).locator("+ dd time")).toHaveText(/:\d\d\s+\(.*2.*\)/);
      const curve = section.getByRole("img");
      await expect(curve).toHaveAccessibleName(/0.*80/);
      const line = await curve.locator("polyline").getAttribute("points");
      expect(line).toBe("0.0,100 100.0,90 200.0,70 300.0,45 400.0,20");
      await checkAccess(page);
      await picture(page, `pace-${locale}`);
      await page.setViewportSize({ width: 390, height: 800 });
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      expect(overflow, "nothing is wider than the window").toBeLessThanOrEqual(0);
      await page.emulateMedia({ colorScheme: "dark" });
      await checkAccess(page);
      await picture(page, `pace-${locale}-dark-390`);
      await page.unrouteAll({ behavior: "ignoreErrors" });

      // A task that is not running has no pace.
      await client.act("p", TaskAction.PAUSE);
      await expect(section.getByText(calls)).toHaveCount(0);
    });
  });
}
