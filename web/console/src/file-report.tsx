// What a check of a file found, before anything of it is stored.

import type { ImportReport, ImportViolation } from "@outbound-tasks/client";
import { fieldText, violationText } from "./errors";
import { lang, t } from "./i18n";
import { Notice } from "./parts";
import type { Word } from "./words";

/** The names of workbooks that the service reads. */
export const WORKBOOK = /\.(xlsx|xlsm|xls|ods)$/i;
/** The most bad rows that are named. */
const MOST_NAMED = 10;

/** Whether nothing of the file would be stored. */
export function isRefused({ refusal, badRecords }: ImportReport): boolean {
  return refusal !== "" || badRecords > 0n;
}

/**
 * A wrong value: the header that its column has in the file, or the console's name of the field, and what is wrong. The service
 * says that in English, with a remedy; in another language the console says it, as far as the reason does.
 */
function wrong(violation: ImportViolation): string {
  const [, name = violation.field, header] = violation.field.match(/^(.*?)(?: \("(.*)"\))?$/s) ?? [];
  const isOwn = lang.get() === "en" || violation.reason === "INVALID_RECORD";
  const field = name === "record" ? "" : (header ?? fieldText({ field: name }));
  return `${field} ${isOwn ? violation.description : violationText(violation)}`;
}

interface FileReportProps {
  report: ImportReport;
  /** What to say of a refused file, with the `count` of its bad rows. */
  bad: Word;
  /** What would be stored. */
  good: string;
}

export function FileReport({ report, bad, good }: FileReportProps) {
  const { repeatedCustomers, skipped, badRecords, errors, refusal, reading } = report;
  const source = [reading?.sheet, reading?.encoding].filter(Boolean).join(", ");
  if (isRefused(report)) {
    return (
      <Notice kind="error">
        <p>{t(bad, { count: Number(badRecords) })}</p>
        {badRecords === 0n && <p>{refusal}</p>}
        <ul>
          {errors.slice(0, MOST_NAMED).map(({ line, violations }) => (
            <li key={String(line)}>
              {t("line", { line: Number(line) })} {violations.map(wrong).join("; ")}
            </li>
          ))}
        </ul>
      </Notice>
    );
  }
  return (
    <Notice kind="info">
      <p>{good}</p>
      {repeatedCustomers > 0n && <p>{t("repeated", { count: Number(repeatedCustomers) })}</p>}
      {skipped > 0n && <p>{t("importSkipped", { count: Number(skipped) })}</p>}
      {source && <p class="quiet">{t("readAs", { source })}</p>}
    </Notice>
  );
}
