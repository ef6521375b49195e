// What a check of a file found, before anything of it is stored.

import type { ImportReport, ImportViolation } from "@outbound-tasks/client";
import { fieldName, violationText } from "./errors";
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

/** The words of parts of a file that are no fields of tasks. */
const PARTS: Record<string, Word> = { customer_id: "search_customer_id", record: "cells" };

/**
 * A wrong value: what its column is called in the file, or what the console calls the field, and what is wrong. The service says
 * that in English, with a remedy; in another language the console says it, as far as the reason does.
 */
function wrong(violation: ImportViolation): string {
  const [, name = violation.field, part = "", header] = violation.field.match(/^([a-z_]+)(\[\d+\])?(?: \("(.*)"\))?$/s) ?? [];
  const isOwn = lang.get() === "en" || violation.reason === "INVALID_RECORD";
  if (isOwn && name === "record") {
    return violation.description; // "has 8 cells where the header has 7", after the number of the line
  }
  const field = header ?? (name in PARTS ? t(PARTS[name] as Word) : fieldName(name) + part);
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
