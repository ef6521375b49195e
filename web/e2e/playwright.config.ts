// The console in a real browser, on the real service. `npm run e2e` in web/ runs it, and so does `make test`.

import { defineConfig } from "@playwright/test";
import { chromiumOptions } from "./chromium.mjs";
import { ZONE } from "./support/data";

export default defineConfig({
  testDir: "tests",
  outputDir: "output/results",
  workers: 2, // each with a service and a browser of its own, which wait for each other half of the time
  timeout: 90_000, // on a busy machine a test takes five times as long
  expect: { timeout: 20_000 },
  retries: 1, // a test that passes then is reported as flaky, and is to be mended
  forbidOnly: true,
  reporter: [["list"]],
  use: {
    locale: "en-GB",
    timezoneId: ZONE,
    viewport: { width: 1280, height: 800 },
    screenshot: "only-on-failure",
    launchOptions: chromiumOptions,
  },
});
