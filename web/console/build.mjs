// Bundles the console into dist/, which the service's binary embeds. `--check` builds nothing and measures the present files.

import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

/** Maximum bytes of script that a browser must load, compressed. */
const MOST_SCRIPT_BYTES = 150 * 1024;
const HERE = import.meta.dirname;
const DIST = join(HERE, "dist");
const MODULES = join(HERE, "../node_modules");

if (!process.argv.includes("--check")) {
  await bundle();
}
await measure();

async function bundle() {
  const options = {
    absWorkingDir: HERE,
    outdir: "dist",
    entryNames: "[name]-[hash]", // a changed file gets another name, so a browser may cache each file for ever
    bundle: true,
    minify: true,
    target: ["chrome111", "firefox113", "safari16.4"],
    jsx: "automatic",
    jsxImportSource: "preact",
    legalComments: "none", // the licences are collected in a file, see below
    metafile: true,
    write: false,
    logLevel: "warning",
  };
  // No module, since Firefox before 114 takes no modules for shared workers. It imports no other script.
  const shared = await build({ ...options, entryPoints: ["src/shared.ts"], format: "iife", define: { SHARED_SCRIPT: '""' } });
  const define = { SHARED_SCRIPT: JSON.stringify(`/console/${basename(shared.outputFiles[0].path)}`) };
  const main = await build({ ...options, entryPoints: ["src/main.tsx", "src/style.css"], format: "esm", define });
  const { metafile } = main; // all packages of the worker are in it
  const outputs = [...main.outputFiles, ...shared.outputFiles];
  const files = new Map(outputs.map(({ path, contents }) => [basename(path), Buffer.from(contents)]));
  const named = (start) => [...files.keys()].find((name) => name.startsWith(start));
  const html = await readFile(join(HERE, "src/index.html"), "utf8");
  files.set("index.html", Buffer.from(html.replace("main.js", named("main-")).replace("style.css", named("style-"))));
  files.set("icon.svg", await readFile(join(HERE, "src/icon.svg")));
  files.set("licenses.txt", Buffer.from(await licenses(metafile)));
  await put(files);
}

/** Makes dist/ contain exactly `files`. An unchanged file keeps its time, since Cargo rebuilds what is newer. */
async function put(files) {
  await mkdir(DIST, { recursive: true });
  for (const name of await readdir(DIST)) {
    if (!files.has(name)) {
      await rm(join(DIST, name));
    }
  }
  for (const [name, bytes] of files) {
    const old = await readFile(join(DIST, name)).catch(() => undefined); // there is none yet
    if (!old?.equals(bytes)) {
      await writeFile(join(DIST, name), bytes);
    }
  }
}

/** The notices of the packages in the bundle: their licences, and the comments at the top of their code. */
async function licenses(metafile) {
  const inputs = Object.keys(metafile.inputs).filter((path) => path.includes("node_modules/"));
  const names = new Set(inputs.map((path) => path.match(/node_modules\/((@[^/]+\/)?[^/]+)/)[1]));
  const texts = new Set();
  for (const name of [...names].sort()) {
    const { version, license } = JSON.parse(await readFile(join(MODULES, name, "package.json"), "utf8"));
    const file = (await readdir(join(MODULES, name))).find((file) => /^licen[cs]e/i.test(file));
    texts.add(`${name} ${version}: ${license}`);
    texts.add(file ? await readFile(join(MODULES, name, file), "utf8") : "");
  }
  for (const path of inputs) {
    const code = await readFile(join(HERE, path), "utf8");
    texts.add(code.match(/^(\/\/.*\n)+/)?.[0].replaceAll(/^\/\/ ?/gm, "") ?? "");
  }
  texts.add(await readFile(join(HERE, "../../LICENSE"), "utf8"));
  return [...texts].filter(Boolean).join("\n\n");
}

async function measure() {
  let bytes = 0;
  for (const name of await readdir(DIST)) {
    bytes += name.endsWith(".js") ? gzipSync(await readFile(join(DIST, name))).length : 0;
  }
  console.log(`console: ${(bytes / 1024).toFixed(1)} KiB of script, compressed, of at most ${MOST_SCRIPT_BYTES / 1024}`);
  if (bytes === 0 || bytes > MOST_SCRIPT_BYTES) {
    process.exitCode = 1;
  }
}
