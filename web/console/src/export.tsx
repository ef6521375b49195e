// Exports: the tasks of a list by the service's GET form, which writes workbooks and CSV that an import reads again; a table of
// the list for people, in their language and with the results of the calls; the targets of a task page by page.

import { type OutboundTask, type OutboundTasks, type Timestamp } from "@outbound-tasks/client";
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { closeDialog, Dialog, openDialog } from "./dialog";
import { dateOf, number, percent, t, tn } from "./i18n";
import { termsOf } from "./labels";
import { Notice } from "./parts";
import { calledOf, countOf, STATES } from "./results";
import { filterOf, queryOf, type View } from "./route";
import type { Session } from "./session";
import { dayOf, timeOf, zone } from "./zone";

/** What the service writes, and a table for people. */
type Format = "table" | "xlsx" | "csv" | "ndjson";
const FORMATS: [Format, () => string][] = [
  ["table", () => t("formatTable")],
  ["xlsx", () => t("formatAgain", { format: "Excel (.xlsx)" })],
  ["csv", () => t("formatAgain", { format: "CSV" })],
  ["ndjson", () => t("formatAgain", { format: "NDJSON" })],
];

/** Lets the browser save a file. */
function save(file: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** The path of a list's export, without the key. */
function exportPath(view: View, format: Exclude<Format, "table">): string {
  const params = queryOf(view);
  params.delete("page");
  params.delete("limit");
  params.set("format", format);
  params.set("time_zone", zone());
  if (format === "csv") {
    params.set("bom", "true");
    params.set("time_format", "local");
  }
  return `/api/v1/outboundtasks:export?${params}`;
}

async function exportList(view: View, format: Format, session: Session, signal: AbortSignal, report: (count: number) => void): Promise<void> {
  const name = `${t("tasks")} ${dayOf(new Date())}`;
  if (format === "table") {
    return saveCsv(await tableOf(view, session.service, signal, report), name);
  }
  const response = await fetch(exportPath(view, format), { headers: { "x-api-key": session.key }, signal });
  if (!response.ok) {
    throw new Error(String(response.status));
  }
  save(await response.blob(), `${name}.${format}`);
}

/** The columns of the table for people. */
const COLUMNS: [header: () => string, cell: (task: OutboundTask) => string][] = [
  [() => t("task_id"), ({ taskId }) => taskId],
  [() => t("name"), ({ name }) => name],
  [() => t("status"), ({ status }) => tn("status", status)],
  [() => t("start_time"), ({ startTime }) => localTime(startTime)],
  [() => t("end_time"), ({ endTime }) => localTime(endTime)],
  [() => t("progress"), ({ progress }) => `${progress}%`],
  [() => t("target_count"), ({ targetCount }) => String(targetCount)],
  ...STATES.map((state): (typeof COLUMNS)[0] => [() => tn("state", state), (task) => String(countOf(task, state))]),
  [() => t("connectRate"), rateOf],
  [() => t("labels"), ({ labels }) => termsOf(labels).join("; ")],
  [() => t("created_at"), ({ createdAt }) => localTime(createdAt)],
  [() => t("updated_at"), ({ updatedAt }) => localTime(updatedAt)],
];

function rateOf({ targetCounts: counts }: OutboundTask): string {
  const called = counts ? calledOf(counts) : 0;
  return counts && called > 0 ? percent(counts.answered / called) : "";
}

/** All tasks of a list, from one snapshot, as the rows of a table. */
async function tableOf(view: View, service: OutboundTasks, signal: AbortSignal, report: (count: number) => void): Promise<string[][]> {
  const { statuses, orderBy, order } = view;
  const request = { filter: { ...filterOf(view), status: statuses }, orderBy, order, targetLimit: 0 };
  const rows = [COLUMNS.map(([header]) => header())];
  for await (const { tasks } of service.rpc.exportOutboundTasks(request, { signal, timeoutMs: 0 })) {
    rows.push(...tasks.map((task) => COLUMNS.map(([, cell]) => cell(task))));
    report(rows.length - 1);
  }
  return rows;
}

async function exportTargets(task: OutboundTask, service: OutboundTasks, signal: AbortSignal, report: (count: number) => void): Promise<void> {
  const rows = [[t("customer"), t("state"), t("attempt"), t("time")]];
  for await (const { customerId, state, attempt, time } of service.targets(task.taskId, { signal })) {
    rows.push([customerId, tn("state", state), String(attempt), localTime(time)]);
    if (rows.length % 1000 === 0) {
      report(rows.length);
    }
  }
  saveCsv(rows, task.name.replaceAll(/[/\\:*?"<>|]/g, "-"));
}

/** Lets the browser save rows as CSV. Excel takes a file without the mark for one in the encoding of the system. */
function saveCsv(rows: string[][], name: string): void {
  save(new Blob(["\ufeff", ...rows.map((row) => `${row.map(cellOf).join(",")}\r\n`)], { type: "text/csv" }), `${name}.csv`);
}

/** A cell of CSV. A spreadsheet runs what begins with one of these signs as a formula, unless an apostrophe comes first. */
function cellOf(text: string): string {
  const safe = text.replaceAll(/(^|[;\t\r\n])(?=[\s"']*[=+\-@＝＋－＠])/g, "$1'");
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** A time as spreadsheets read it, in the console's zone. */
function localTime(time: Timestamp | undefined): string {
  const date = dateOf(time);
  return date ? `${dayOf(date)} ${timeOf(date)}` : "";
}

export function openExport(props: { view: View; total: number; session: Session }): void {
  openDialog(<ExportList {...props} />);
}

function ExportList({ view, total, session }: { view: View; total: number; session: Session }) {
  const [format, setFormat] = useState<Format>("table");
  const [count, setCount] = useState(0);
  return (
    <Exporting run={(signal) => exportList(view, format, session, signal, setCount)}>
      <p>{t("exportAll", { count: total })}</p>
      <label>
        {t("format")}
        <select value={format} onChange={(event) => setFormat(event.currentTarget.value as Format)}>
          {FORMATS.map(([format, text]) => (
            <option key={format} value={format}>
              {text()}
            </option>
          ))}
        </select>
      </label>
      {format !== "table" && <p class="quiet">{t("formatLimit")}</p>}
      <Count count={count} total={total} />
    </Exporting>
  );
}

/** How much has been read. */
function Count({ count, total }: { count: number; total: number }) {
  return count > 0 ? <p role="status">{`${number(count)} / ${number(total)}`}</p> : null;
}

export function openExportTargets(props: { task: OutboundTask; service: OutboundTasks }): void {
  openDialog(<ExportTargets {...props} />);
}

function ExportTargets({ task, service }: { task: OutboundTask; service: OutboundTasks }) {
  const [count, setCount] = useState(0);
  return (
    <Exporting run={(signal) => exportTargets(task, service, signal, setCount)}>
      <p>{t("exportTargets", { count: task.targetCount })}</p>
      <Count count={count} total={task.targetCount} />
    </Exporting>
  );
}

/** The dialog of an export. */
function Exporting({ run, children }: { run: (signal: AbortSignal) => Promise<void>; children: ComponentChildren }) {
  const [call, setCall] = useState<AbortController>();
  const [hasFailed, setFailed] = useState(false);
  const submit = () => {
    const own = new AbortController();
    setCall(own);
    setFailed(false);
    run(own.signal).then(closeDialog, () => {
      if (!own.signal.aborted) {
        setFailed(true);
        setCall(undefined);
      }
    });
  };
  const close = () => {
    call?.abort();
    closeDialog();
  };
  return (
    <Dialog title={t("export")} submit={call ? t("exporting") : t("export")} isOff={call !== undefined} onSubmit={submit} onClose={close}>
      {children}
      {hasFailed && <Notice kind="error">{t("exportFailed")}</Notice>}
    </Dialog>
  );
}
