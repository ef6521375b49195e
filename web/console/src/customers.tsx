// Dialogs that add customers to a task and remove them. The service reads files, and says what it would add before anything
// is stored.

import { ImportFormat, type ImportReport, type OutboundTask, type OutboundTasks, type ImportTargetRequest } from "@outbound-tasks/client";
import { useState } from "preact/hooks";
import { closeDialog, Dialog, openDialog, useWrite, WriteNotice } from "./dialog";
import { FileReport, isRefused, WORKBOOK } from "./file-report";
import { t } from "./i18n";
import { Notice, say } from "./parts";

/** The most customers that one call can remove. */
const AT_A_TIME = 1000;

/** The customer ids in a text: one on a line, or separated by commas, semicolons or tabs. */
export function customersOf(text: string): string[] {
  return text.split(/[\n\r\t,;，；、]+/).map((id) => id.trim()).filter(Boolean);
}

/** How many pasted ids are shown before they are added. */
const SHOWN = 5;

/** What a pasted text was taken for: how many ids, the first of them, and a warning where some look like names. */
function Pasted({ ids }: { ids: string[] }) {
  const first = ids.slice(0, SHOWN).join(", ") + (ids.length > SHOWN ? "…" : "");
  return (
    <>
      <p class="quiet">{t("pasted", { count: ids.length, first })}</p>
      {ids.some((id) => !/\d/.test(id)) && <Notice kind="warning">{t("pastedWords")}</Notice>}
    </>
  );
}

/** How much of a file is read for its first row, in bytes. */
const HEAD_BYTES = 4096;

/** The cells of a text file's first row, which may be the headers of its columns; only suggestions: the service reads the file. */
async function headersOf(file: File | undefined): Promise<string[]> {
  if (!file || WORKBOOK.test(file.name)) {
    return [];
  }
  const bytes = await file.slice(0, HEAD_BYTES).arrayBuffer();
  const utf8 = new TextDecoder().decode(bytes);
  const [row = ""] = (utf8.includes("\ufffd") ? new TextDecoder("gb18030").decode(bytes) : utf8).split(/[\r\n]/);
  const cells = row.split(/[,;\t]/).map((cell) => cell.trim().replace(/^"(.*)"$/, "$1"));
  return cells.length > 1 ? [...new Set(cells)].filter(Boolean) : [];
}

/** Pasted ids as a lead list: CSV with one column and no header. */
function csvOf(ids: string[]): Blob {
  return new Blob([ids.map((id) => `"${id.replaceAll('"', '""')}"\n`).join("")]);
}

interface CustomersProps {
  task: OutboundTask;
  service: OutboundTasks;
  done: () => void;
}

export function openAdd(props: CustomersProps): void {
  openDialog(<Add {...props} />);
}

function Add({ task: { taskId, name }, service, done }: CustomersProps) {
  const [text, setText] = useState("");
  const [file, setFile] = useState<File>();
  const [column, setColumn] = useState("");
  /** What to suggest as the column. */
  const [headers, setHeaders] = useState<string[]>([]);
  /** What would be added; undefined until it was checked. */
  const [report, setReport] = useState<ImportReport>();
  const writing = useWrite();
  const ids = customersOf(text);

  const send = (dryRun: boolean, options: { signal: AbortSignal }) => {
    const request: ImportTargetRequest = file
      ? { taskId, dryRun, column: column.trim(), format: WORKBOOK.test(file.name) ? ImportFormat.WORKBOOK : ImportFormat.CSV }
      : { taskId, dryRun, column: "1", header: false, format: ImportFormat.CSV, table: { encoding: "utf-8", delimiter: "," } };
    return service.importTargets(request, file ?? csvOf(ids), options);
  };
  const submit = () =>
    writing.run(
      (options) => send(!report, options),
      (answer) => {
        if (!report) {
          return setReport(answer);
        }
        closeDialog();
        say(t("customersAdded", { count: Number(answer.targets), name }));
        done();
      },
    );
  const isBad = report && isRefused(report);
  const isNothing = report?.targets === 0n;
  const changed = () => setReport(undefined);
  return (
    <Dialog
      title={t("addCustomers")}
      submit={report && !isBad ? t("addCount", { count: Number(report.targets) }) : t("check")}
      isWide
      isOff={writing.isWriting || (!file && ids.length === 0) || Boolean(isBad) || isNothing}
      onSubmit={submit}
      onClose={closeDialog}
    >
      <p class="subject">
        <strong>
          <bdi>{name}</bdi>
        </strong>
      </p>
      <label>
        {t("pasteCustomers")}
        <textarea
          name="customers"
          rows={6}
          spellcheck={false}
          disabled={file !== undefined}
          value={text}
          onInput={(event) => {
            setText(event.currentTarget.value);
            changed();
          }}
        />
      </label>
      {ids.length > 0 && !file && <Pasted ids={ids} />}
      <label>
        {t("orFile")}
        <input
          type="file"
          accept=".csv,.txt,.tsv,.xlsx,.xlsm,.xls,.ods"
          onChange={(event) => {
            const chosen = event.currentTarget.files?.[0];
            setFile(chosen);
            setHeaders([]);
            void headersOf(chosen).then(setHeaders);
            changed();
          }}
        />
      </label>
      {file && (
        <label>
          {t("column")}
          <input
            type="text"
            value={column}
            list="headers"
            autocomplete="off"
            onInput={(event) => {
              setColumn(event.currentTarget.value);
              changed();
            }}
          />
          <datalist id="headers">
            {headers.map((header) => (
              <option key={header} value={header} />
            ))}
          </datalist>
        </label>
      )}
      {file && column.trim() === "" && writing.error?.fields.some(({ field }) => field === "chunk") && <Notice kind="warning">{t("columnMissing")}</Notice>}
      {report && <FileReport report={report} bad="badRows" good={t("wouldAdd", { count: Number(report.targets) })} />}
      <WriteNotice writing={writing} />
    </Dialog>
  );
}

export function openRemove(props: CustomersProps & { customerId?: string }): void {
  openDialog(<Remove {...props} />);
}

function Remove({ task: { taskId, name }, service, done, customerId = "" }: CustomersProps & { customerId?: string }) {
  const [text, setText] = useState(customerId);
  const writing = useWrite(done);
  const ids = customerId && text === customerId ? [customerId] : [...new Set(customersOf(text))];
  const submit = () =>
    writing.run(
      async (options) => {
        let removed = 0;
        for (let at = 0; at < ids.length; at += AT_A_TIME) {
          const customerIds = ids.slice(at, at + AT_A_TIME);
          const write = (idempotencyKey: string) =>
            service.rpc.removeTaskTargets({ taskId, customerIds, idempotencyKey, readMask: { paths: ["task_id"] } }, options);
          removed += (await service.once(write, options)).removedCount;
        }
        return removed;
      },
      (removed) => {
        closeDialog();
        const missing = ids.length - removed;
        say([t("customersRemoved", { count: removed }), missing > 0 && t("customersMissing", { missing })].filter(Boolean).join(" "));
        done();
      },
    );
  return (
    <Dialog
      title={t("removeCustomers")}
      submit={t("removeCount", { count: ids.length })}
      isFinal
      isOff={writing.isWriting || ids.length === 0}
      onSubmit={submit}
      onClose={closeDialog}
    >
      <p class="subject">
        <strong>
          <bdi>{name}</bdi>
        </strong>
      </p>
      <p>{t("askRemove")}</p>
      <label>
        {t("pasteCustomers")}
        <textarea name="customers" rows={5} spellcheck={false} value={text} onInput={(event) => setText(event.currentTarget.value)} />
      </label>
      {ids.length > 0 && <Pasted ids={ids} />}
      <WriteNotice writing={writing} />
    </Dialog>
  );
}
