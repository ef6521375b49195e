// Copies Swagger UI into dist/, which the service's binary embeds. The names of scripts and styles contain a hash of their
// contents, so a browser may cache each file for ever.

import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

const HERE = import.meta.dirname;
const DIST = join(HERE, "dist");
const VIEWER = join(HERE, "../node_modules/swagger-ui-dist");

const files = new Map();
let html = await readFile(join(HERE, "src/index.html"), "utf8");
for (const [name, from] of [
  ["style.css", join(VIEWER, "swagger-ui.css")],
  ["viewer.js", join(VIEWER, "swagger-ui-bundle.js")],
  ["start.js", join(HERE, "src/start.js")],
]) {
  // The maps of the sources are not embedded.
  const text = (await readFile(from, "utf8")).replace(/\n?(\/\/|\/\*)# sourceMappingURL=.*$/m, "");
  const hash = createHash("sha256").update(text).digest("hex").slice(0, 8);
  const hashed = name.replace(".", `-${hash}.`);
  files.set(hashed, Buffer.from(text));
  html = html.replace(`"${name}"`, `"${hashed}"`);
}
files.set("index.html", Buffer.from(html));
const notices = ["LICENSE", "NOTICE", "swagger-ui-bundle.js.LICENSE.txt"].map((name) => readFile(join(VIEWER, name), "utf8"));
files.set("licenses.txt", Buffer.from((await Promise.all(notices)).join("\n\n")));

await mkdir(DIST, { recursive: true });
for (const name of await readdir(DIST)) {
  if (!files.has(name)) {
    await rm(join(DIST, name));
  }
}
for (const [name, bytes] of files) {
  const old = await readFile(join(DIST, name)).catch(() => undefined); // there is none yet
  // An unchanged file keeps its time, since Cargo rebuilds what is newer.
  if (!old?.equals(bytes)) {
    await writeFile(join(DIST, name), bytes);
  }
}
