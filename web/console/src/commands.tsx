// What can be done with a list as a whole: new tasks, exports, outcomes, columns, commands for a terminal, shortcuts.

import { type ListOutboundTasksResponse, SortOrder, TaskAttention, TaskDateField, TaskError, TaskOrderBy, TaskStatus, timestampDate } from "@outbound-tasks/client";
import { useEffect, useState } from "preact/hooks";
import { closeDialog, Dialog, openDialog } from "./dialog";
import { openExport } from "./export";
import { t } from "./i18n";
import { openImport } from "./import";
import { hidden, hide } from "./kept";
import { MenuButton } from "./menu";
import { copy, ErrorNotice } from "./parts";
import { countsOf, Outcome } from "./results";
import { filterOf, go, hrefOf, queryOf, route, type View, wallHref } from "./route";
import { endedBy, type Session } from "./session";
import { openShortcuts } from "./shortcuts";
import { COLUMNS, shownIn } from "./table";
import { curl, grpcurl } from "./terminal";
import { Views } from "./views";
import { openZones } from "./zone-dialog";

interface CommandsProps {
  view: View;
  total: number;
  session: Session;
  create: () => void;
  /** Called after tasks were imported. */
  imported: () => void;
}

export function Commands({ view, total, session, create, imported }: CommandsProps) {
  return (
    <div class="commands">
      <button type="button" disabled={session.canWrite !== true} onClick={create}>
        + {t("newTask")}
      </button>
      <button type="button" onClick={() => openExport({ view, total, session })}>
        {t("export")}
      </button>
      <Views view={view} tenant={session.tenant} />
      <MenuButton
        label={t("moreOfList")}
        groups={() => [
          [{ text: t("import"), isOff: session.canWrite !== true, act: () => openImport({ service: session.service, done: imported }) }],
          [
            { text: t("outcome"), act: () => openDialog(<ListOutcome view={view} session={session} />) },
            { text: t("wall"), act: () => go(wallHref(view)) },
            { text: t("columns"), act: () => openDialog(<Columns view={view} />) },
            { text: t("timeZone"), act: openZones },
          ],
          [
            { text: t("copyLink"), act: () => copy(location.href) },
            { text: t("copyCurl"), act: () => copy(curl(`/api/v1/outboundtasks?${queryOf(view, true)}`)) },
            { text: t("copyGrpcurl"), act: () => copy(grpcurl("ListOutboundTasks", requestOf(view))) },
          ],
          [{ text: t("shortcuts"), act: openShortcuts }],
        ]}
      />
    </div>
  );
}

/** A view as the JSON of a request. */
function requestOf(view: View): object {
  const { dateRange, attention, label, ...rest } = filterOf(view);
  const [start, end] = [dateRange?.start, dateRange?.end].map((time) => time && timestampDate(time as Parameters<typeof timestampDate>[0]).toISOString());
  return {
    ...rest,
    attention: attention?.length ? attention.map((kind) => `TASK_ATTENTION_${TaskAttention[kind]}`) : undefined,
    label: label?.length ? label : undefined,
    dateField: dateRange && `TASK_DATE_FIELD_${TaskDateField[view.dateField]}`,
    dateRange: dateRange && { start, end },
    status: view.statuses.length > 0 ? view.statuses.map((status) => `TASK_STATUS_${TaskStatus[status]}`) : undefined,
    orderBy: `TASK_ORDER_BY_${TaskOrderBy[view.orderBy]}`,
    order: `SORT_ORDER_${SortOrder[view.order]}`,
    page: view.page,
    limit: view.limit,
  };
}

/** Which columns the list shows. The browser keeps them; an address that names its columns is changed, too. */
function Columns({ view }: { view: View }) {
  const kept = hidden.use();
  const now = route.use();
  const current = now.kind === "list" ? now.view : view;
  const shown = shownIn(current, kept);
  const show = (columns: string[]) => {
    hide(COLUMNS.filter(({ word, isFixed }) => !isFixed && !columns.includes(word)).map(({ word }) => word));
    if (current.columns) {
      go(hrefOf({ ...current, columns: shownIn({ ...current, columns }, []) }), true);
    }
  };
  return (
    <Dialog title={t("columns")} submit={t("close")} cancel={false} isOff={false} onSubmit={closeDialog} onClose={closeDialog}>
      <fieldset class="checks">
        <legend class="hidden">{t("columns")}</legend>
        {COLUMNS.filter(({ isFixed }) => !isFixed).map(({ word }) => (
          <label key={word}>
            <input
              type="checkbox"
              checked={shown.includes(word)}
              onChange={({ currentTarget: { checked } }) => show(checked ? [...shown, word] : shown.filter((other) => other !== word))}
            />
            {t(word)}
          </label>
        ))}
      </fieldset>
    </Dialog>
  );
}

/** The results of the calls of all tasks of a list. */
function ListOutcome({ view, session: { service } }: { view: View; session: Session }) {
  const [answer, setAnswer] = useState<ListOutboundTasksResponse>();
  const [error, setError] = useState<TaskError>();
  useEffect(() => {
    const call = new AbortController();
    const request = { ...filterOf(view), status: view.statuses, limit: 1, targetLimit: 0, targetSums: true, readMask: { paths: ["task_id"] } };
    service.list(request, { signal: call.signal }).then(setAnswer, (reason) => {
      if (!call.signal.aborted && !endedBy(reason)) {
        setError(TaskError.from(reason));
      }
    });
    return () => call.abort();
  }, []);
  const sums = answer?.targetSums;
  return (
    <Dialog title={t("outcome")} submit={t("close")} cancel={false} isWide isOff={false} onSubmit={closeDialog} onClose={closeDialog}>
      {error && <ErrorNotice error={error} />}
      {!answer && !error && <p role="status">{t("loading")}</p>}
      {answer && sums && (
        <>
          <p>{t("outcomeOf", { count: answer.total, targets: Number(sums.total) })}</p>
          <Outcome counts={countsOf(sums)} />
        </>
      )}
    </Dialog>
  );
}
