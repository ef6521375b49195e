// The time from opening the console's address until the first rows of the list, for the benchmark. URL and KEY give the
// address and the key. Prints the milliseconds of each try on a line; every try has a new browser profile.

import { chromium } from "@playwright/test";
import { chromiumOptions } from "./chromium.mjs";

const TRIES = 5;
const { URL: url, KEY: key } = process.env;

const browser = await chromium.launch(chromiumOptions);
try {
  for (let n = 0; n < TRIES; n += 1) {
    const context = await browser.newContext();
    // The state after a reload: already signed in.
    await context.addInitScript((key) => sessionStorage.setItem("outbound-tasks.key", key), key);
    const page = await context.newPage();
    const begun = performance.now();
    await page.goto(`${url}/console/`, { waitUntil: "commit" });
    await page.locator("table.tasks tbody td").first().waitFor();
    console.log((performance.now() - begun).toFixed(0));
    await context.close();
  }
} finally {
  await browser.close();
}
