// The real service: `dev` with its private PostgreSQL and the tests' tasks, and `serve` on the same database.

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { OutboundTasks } from "@outbound-tasks/client";
import { tasks } from "./data";

const TARGET = process.env.CARGO_TARGET_DIR ?? new URL("../../../target", import.meta.url).pathname;
const PROGRAM = join(TARGET, "debug/outbound-tasks");
/** Maximum milliseconds of a start, including the import. */
const START_MS = 60_000;

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") {
    throw new Error("no port");
  }
  return address.port;
}

/** A running program, and its output so far. */
class Running {
  log = "";
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;

  constructor(args: string[], env: NodeJS.ProcessEnv = {}) {
    this.#child = spawn(PROGRAM, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    const keep = (chunk: Buffer) => {
      this.log += chunk;
    };
    this.#child.stdout?.on("data", keep);
    this.#child.stderr?.on("data", keep);
    this.#ended = new Promise((resolve) => {
      this.#child.on("error", (error) => {
        this.log += error;
        resolve();
      });
      this.#child.on("close", () => resolve());
    });
  }

  async until(text: string): Promise<void> {
    let isOver = false;
    void this.#ended.then(() => {
      isOver = true;
    });
    for (const begun = Date.now(); !this.log.includes(text); ) {
      if (isOver || Date.now() - begun > START_MS) {
        throw new Error(`${PROGRAM} did not come to say "${text}":\n${this.log}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    this.#child.kill(signal);
    await this.#ended;
  }
}

export class Service {
  readonly #dir: string;
  readonly #dev: Running;
  readonly #serving: Running[] = [];

  private constructor(
    dir: string,
    dev: Running,
    readonly url: string,
    readonly key: string,
    readonly databaseUrl: string,
    /** The file of the authority with `--tls`, else empty. */
    readonly caFile: string,
  ) {
    this.#dir = dir;
    this.#dev = dev;
  }

  /** Starts `dev` with these flags. */
  static async start(...args: string[]): Promise<Service> {
    const dir = mkdtempSync(join(tmpdir(), "outbound-tasks-e2e-"));
    const file = join(dir, "tasks.ndjson");
    writeFileSync(file, tasks().map((task) => `${JSON.stringify(task)}\n`).join(""));
    const data = join(dir, "data");
    const dev = new Running(["dev", "--data-dir", data, "--listen", `127.0.0.1:${await freePort()}`, "--tasks", file, ...args]);
    try {
      await dev.until("Press Ctrl-C to stop");
    } catch (error) {
      await dev.stop("SIGKILL");
      throw error;
    }
    const env = readFileSync(join(data, "dev.env"), "utf8");
    const value = (name: string) => env.match(new RegExp(`^${name}='(.*)'$`, "m"))?.[1] ?? "";
    return new Service(dir, dev, value("OUTBOUND_TASKS_URL"), value("OUTBOUND_TASKS_API_KEY"), value("DATABASE_URL"), value("OUTBOUND_TASKS_CA_FILE"));
  }

  /** A client other than the console. */
  client(url = this.url, apiKey = this.key): OutboundTasks {
    return new OutboundTasks({ baseUrl: url, apiKey });
  }

  /** Runs a command on the database. Returns its output. */
  async run(...args: string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(PROGRAM, args, { env: { ...process.env, DATABASE_URL: this.databaseUrl } });
    return stdout.trim();
  }

  newKey(scope: string, tenant = "demo"): Promise<string> {
    return this.run("keys", "create", "--tenant", tenant, "--name", "e2e", "--scope", scope);
  }

  /** Revokes a key, which has the form `otk_<key id>_<secret>`, by its id. */
  async revoke(key: string): Promise<void> {
    await this.run("keys", "revoke", key.split("_")[1] ?? "");
  }

  /** Serves the same database once more, on a port of its own. The returned function stops it; it can also send a signal. */
  async serve(port: number, ...args: string[]): Promise<(() => Promise<void>) & { signal: (signal: NodeJS.Signals) => void }> {
    const serving = new Running(
      ["serve", "--listen", `127.0.0.1:${port}`, "--admin-listen", "127.0.0.1:0", "--shutdown-delay", "0s", "--drain-timeout", "1s", ...args],
      { DATABASE_URL: this.databaseUrl },
    );
    this.#serving.push(serving);
    await serving.until(" serving listen=");
    return Object.assign(() => serving.stop(), { signal: (signal: NodeJS.Signals) => serving.signal(signal) });
  }

  async stop(): Promise<void> {
    await Promise.all(this.#serving.map((serving) => serving.stop()));
    await this.#dev.stop();
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
