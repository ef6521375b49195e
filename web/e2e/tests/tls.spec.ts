// The console and the client over TLS, with the certificate that `dev --tls` makes.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { Service } from "../support/service";
import { expect, isLive, rows, signIn, test } from "../support/test";

// The browser does not know the authority; the client must.
test.use({ ignoreHTTPSErrors: true });

const SCRIPT = `
  import { OutboundTasks } from "@outbound-tasks/client";
  const service = new OutboundTasks({ baseUrl: process.env.OUTBOUND_TASKS_URL, apiKey: process.env.OUTBOUND_TASKS_API_KEY });
  const page = await service.list({ limit: 3 });
  for await (const { changes } of service.watch({ filter: {} })) {
    if (changes.length > 0) break;
  }
  console.log([page.total, page.tasks.length].join(" "));
  process.exit(0);`;

test("the console lists and watches over TLS, and so does the client in Node.js", async ({ page }) => {
  test.setTimeout(120_000);
  const service = await Service.start("--tls");
  try {
    expect(service.url).toMatch(/^https:/);
    await signIn(page, service);
    await expect(rows(page).first()).toBeVisible();
    await isLive(page);

    const run = (env: NodeJS.ProcessEnv) =>
      promisify(execFile)(process.execPath, ["--input-type=module", "-e", SCRIPT], {
        cwd: new URL("..", import.meta.url).pathname,
        env: { ...process.env, OUTBOUND_TASKS_URL: service.url, OUTBOUND_TASKS_API_KEY: service.key, ...env },
      });
    const { stdout } = await run({ NODE_EXTRA_CA_CERTS: service.caFile });
    expect(stdout).toMatch(/^\d+ 3\n$/);
    await expect(run({})).rejects.toThrow(/fetch failed|certificate/);
  } finally {
    await service.stop();
  }
});
