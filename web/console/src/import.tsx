// A dialog that creates the tasks of a file. The service reads the file, and says what it would create before anything is stored.

import { ImportConflict, ImportFormat, type ImportReport, type OutboundTasks } from "@outbound-tasks/client";
import { useState } from "preact/hooks";
import { closeDialog, Dialog, openDialog, useWrite, WriteNotice } from "./dialog";
import { FileReport, isRefused, WORKBOOK } from "./file-report";
import { t } from "./i18n";
import { say } from "./parts";
import { zone } from "./zone";

function formatOf(name: string): ImportFormat {
  return WORKBOOK.test(name)
    ? ImportFormat.WORKBOOK
    : /\.json$/i.test(name)
      ? ImportFormat.JSON
      : /\.(ndjson|jsonl)$/i.test(name)
        ? ImportFormat.NDJSON
        : ImportFormat.CSV;
}

interface ImportProps {
  service: OutboundTasks;
  done: () => void;
}

export function openImport(props: ImportProps): void {
  openDialog(<Import {...props} />);
}

function Import({ service, done }: ImportProps) {
  const [file, setFile] = useState<File>();
  const [ignoreUnknown, setIgnore] = useState(false);
  const [isSkipping, setSkipping] = useState(false);
  /** What would be created; undefined until it was checked. */
  const [report, setReport] = useState<ImportReport>();
  const writing = useWrite();

  const submit = () => {
    if (!file) {
      return;
    }
    const onConflict = isSkipping ? ImportConflict.SKIP : ImportConflict.FAIL;
    const request = { format: formatOf(file.name), timeZone: zone(), ignoreUnknown, onConflict, dryRun: !report };
    writing.run(
      (options) => service.importTasks(request, file, options),
      (answer) => {
        if (!report) {
          return setReport(answer);
        }
        closeDialog();
        say(t("imported", { count: Number(answer.tasks) }));
        done();
      },
    );
  };
  const check = (words: "importIgnore" | "importSkip", isOn: boolean, set: (is: boolean) => void) => (
    <label>
      <input
        type="checkbox"
        checked={isOn}
        onChange={(event) => {
          set(event.currentTarget.checked);
          setReport(undefined);
        }}
      />
      {t(words)}
    </label>
  );
  const isBad = report !== undefined && (isRefused(report) || report.tasks === 0n);
  return (
    <Dialog
      title={t("import")}
      submit={report && !isBad ? t("importCount", { count: Number(report.tasks) }) : t("check")}
      isWide
      isOff={writing.isWriting || !file || isBad}
      onSubmit={submit}
      onClose={closeDialog}
    >
      <label>
        {t("importFile")}
        <input
          type="file"
          accept=".csv,.txt,.tsv,.xlsx,.xlsm,.xls,.ods,.json,.ndjson,.jsonl"
          onChange={(event) => {
            setFile(event.currentTarget.files?.[0]);
            setReport(undefined);
          }}
        />
      </label>
      <p class="quiet">{t("importHelp", { zone: zone() })}</p>
      <div class="checks">
        {check("importIgnore", ignoreUnknown, setIgnore)}
        {check("importSkip", isSkipping, setSkipping)}
      </div>
      {report && (
        <FileReport report={report} bad="importBad" good={t("wouldImport", { count: Number(report.tasks), targets: Number(report.targets) })} />
      )}
      <WriteNotice writing={writing} />
    </Dialog>
  );
}
