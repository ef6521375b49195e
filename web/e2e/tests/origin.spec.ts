// The list over gRPC-Web from pages of other origins: an allowed one, and one that is not allowed.

import { createServer } from "node:http";
import { build } from "esbuild";
import { expect, test } from "../support/test";
import { freePort } from "../support/service";

const SCRIPT = `
  import { Code, OutboundTasks } from "@outbound-tasks/client";
  window.ask = async (baseUrl, apiKey) => {
    try {
      const { total, tasks } = await new OutboundTasks({ baseUrl, apiKey }).list({ limit: 3 });
      return { total, count: tasks.length };
    } catch (error) {
      return { code: Code[error.code], fields: error.fields.length, requestId: error.requestId };
    }
  };`;

async function site(script: string): Promise<{ url: string; close: () => Promise<unknown> }> {
  const port = await freePort();
  const server = createServer((request, response) => {
    const isScript = request.url === "/page.js";
    response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
    response.end(isScript ? script : '<!doctype html><title>Elsewhere</title><script type="module" src="/page.js"></script>');
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${port}`,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

test("an allowed origin gets the list and readable errors, another gets nothing", async ({ page, service }) => {
  const { outputFiles } = await build({
    stdin: { contents: SCRIPT, resolveDir: new URL("..", import.meta.url).pathname },
    bundle: true,
    format: "esm",
    write: false,
  });
  const script = outputFiles[0]?.text ?? "";
  const [allowed, other] = [await site(script), await site(script)];
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const stop = await service.serve(port, "--cors-origin", allowed.url);
  const ask = async (from: string, key: string) => {
    await page.goto(from);
    await page.waitForFunction("window.ask");
    return page.evaluate(([url, key]) => (window as unknown as { ask(url: string, key: string): Promise<unknown> }).ask(url as string, key as string), [
      url,
      key,
    ]);
  };
  const { total } = await service.client().list({ limit: 1 });
  expect(await ask(allowed.url, service.key)).toEqual({ total, count: 3 });
  const refused = (await ask(allowed.url, "otk_demo.nobody00_wrong")) as { code: string; requestId: string };
  expect(refused.code).toBe("Unauthenticated");
  expect(refused.requestId).not.toBe("");
  expect(await ask(other.url, service.key)).toEqual({ code: "Unavailable", fields: 0, requestId: "" });
  await stop();
  await Promise.all([allowed.close(), other.close()]);
});
