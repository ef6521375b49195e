// Exports: the tasks of a list by the service's GET form, which writes workbooks and CSV; the targets of a task page by page.

import { type OutboundTask, type OutboundTasks, timestampDate } from "@outbound-tasks/client";
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { closeDialog, Dialog, openDialog } from "./dialog";
import { number, t, tn } from "./i18n";
import { Notice } from "./parts";
import { queryOf, type View } from "./route";
import type { Session } from "./session";
import { dayOf, timeOf, zone } from "./zone";

type Format = "xlsx" | "csv" | "ndjson";

/** Lets the browser save a file. */
function save(file: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** The path of a list's export, without the key. */
export function exportPath(view: View, format: Format): string {
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

async function exportList(view: View, format: Format, key: string, signal: AbortSignal): Promise<void> {
  const response = await fetch(exportPath(view, format), { headers: { "x-api-key": key }, signal });
  if (!response.ok) {
    throw new Error(String(response.status));
  }
  save(await response.blob(), `${t("tasks")} ${dayOf(new Date())}.${format}`);
}

async function exportTargets(task: OutboundTask, service: OutboundTasks, signal: AbortSignal, report: (count: number) => void): Promise<void> {
  const cell = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const rows = [[t("customer"), t("state"), t("attempt"), t("time")]];
  for await (const { customerId, state, attempt, time } of service.targets(task.taskId, { signal })) {
    rows.push([customerId, tn("state", state), String(attempt), time ? localTime(timestampDate(time)) : ""]);
    if (rows.length % 1000 === 0) {
      report(rows.length);
    }
  }
  const csv = rows.map((row) => `${row.map(cell).join(",")}\r\n`).join("");
  // Excel takes a file without the mark for one in the encoding of the system.
  save(new Blob(["\ufeff", csv], { type: "text/csv" }), `${task.name.replaceAll(/[/\\:*?"<>|]/g, "-")}.csv`);
}

/** A time as spreadsheets read it, in the console's zone. */
function localTime(date: Date): string {
  return `${dayOf(date)} ${timeOf(date)}`;
}

export function openExport(props: { view: View; total: number; session: Session }): void {
  openDialog(<ExportList {...props} />);
}

function ExportList({ view, total, session }: { view: View; total: number; session: Session }) {
  const [format, setFormat] = useState<Format>("xlsx");
  return (
    <Exporting run={(signal) => exportList(view, format, session.key, signal)}>
      <p>{t("exportAll", { count: total })}</p>
      <label>
        {t("format")}
        <select value={format} onChange={(event) => setFormat(event.currentTarget.value as Format)}>
          <option value="xlsx">Excel (.xlsx)</option>
          <option value="csv">CSV</option>
          <option value="ndjson">NDJSON</option>
        </select>
      </label>
    </Exporting>
  );
}

export function openExportTargets(props: { task: OutboundTask; service: OutboundTasks }): void {
  openDialog(<ExportTargets {...props} />);
}

function ExportTargets({ task, service }: { task: OutboundTask; service: OutboundTasks }) {
  const [count, setCount] = useState(0);
  return (
    <Exporting run={(signal) => exportTargets(task, service, signal, setCount)}>
      <p>{t("exportTargets", { count: task.targetCount })}</p>
      {count > 0 && <p role="status">{`${number(count)} / ${number(task.targetCount)}`}</p>}
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
