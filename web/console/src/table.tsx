// The tasks of a page with the columns of the specification. On a narrow screen rows become cards; the ARIA roles keep
// it a table for screen readers.

import { type OutboundTask, SortOrder, TaskOrderBy } from "@outbound-tasks/client";
import { Actions } from "./actions";
import { t } from "./i18n";
import { Progress, Status, Time } from "./parts";
import { follow, go, hrefOf, START, taskHref, type View } from "./route";
import type { Session } from "./session";
import type { Word } from "./words";

export const COLUMNS: { word: Word; order?: TaskOrderBy }[] = [
  { word: "task_id", order: TaskOrderBy.TASK_ID },
  { word: "name", order: TaskOrderBy.NAME },
  { word: "target" },
  { word: "start_time", order: TaskOrderBy.START_TIME },
  { word: "end_time", order: TaskOrderBy.END_TIME },
  { word: "status" },
  { word: "progress", order: TaskOrderBy.PROGRESS },
  { word: "created_at", order: TaskOrderBy.CREATED_AT },
  { word: "updated_at", order: TaskOrderBy.UPDATED_AT },
  { word: "actions" },
];

interface TableProps {
  tasks: OutboundTask[];
  view: View;
  session: Session;
  isLoading: boolean;
  /** The tasks that just changed, and how often: each change is highlighted. */
  fresh: Map<string, number>;
  changed: (task: OutboundTask | undefined) => void;
}

export function Table({ tasks, view, session, isLoading, fresh, changed }: TableProps) {
  return (
    <table class="tasks" role="table" aria-label={t("tasks")} aria-busy={isLoading}>
      <thead role="rowgroup">
        <tr role="row">
          {COLUMNS.map(({ word, order }) => (
            <Heading key={word} word={word} order={order} view={view} />
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {tasks.map((task) => (
          <Row key={task.taskId} task={task} session={session} news={fresh.get(task.taskId) ?? 0} changed={changed} />
        ))}
      </tbody>
    </table>
  );
}

function Heading({ word, order, view }: { word: Word; order: TaskOrderBy | undefined; view: View }) {
  if (order === undefined) {
    return (
      <th role="columnheader" scope="col" class={`c-${word}`}>
        {t(word)}
      </th>
    );
  }
  const isSorted = view.orderBy === order;
  const isUp = view.order === SortOrder.ASC;
  const next = isSorted ? (isUp ? SortOrder.DESC : SortOrder.ASC) : START.order;
  return (
    <th role="columnheader" scope="col" class={`c-${word}`} aria-sort={isSorted ? (isUp ? "ascending" : "descending") : "none"}>
      <button type="button" onClick={() => go(hrefOf({ ...view, orderBy: order, order: next, page: 1 }))}>
        {t(word)}
        <span class="arrow" aria-hidden="true">
          {isSorted ? (isUp ? "▲" : "▼") : ""}
        </span>
      </button>
    </th>
  );
}

interface RowProps {
  task: OutboundTask;
  session: Session;
  news: number;
  changed: TableProps["changed"];
}

function Row({ task, session, news, changed }: RowProps) {
  const rest = task.targetCount - task.target.length;
  return (
    <tr role="row" class={news > 0 ? `fresh f${news % 2}` : undefined}>
      <td role="cell" class="c-task_id" title={task.taskId} data-label={t("task_id")}>
        <span class="cut">{task.taskId}</span>
      </td>
      <td role="cell" class="c-name" title={task.name}>
        <a id={`task ${task.taskId}`} class="cut" href={taskHref(task.taskId)} onClick={follow}>
          {task.name}
        </a>
      </td>
      <td role="cell" class="c-target" data-label={t("target")}>
        <span class="targets">
          <span class="cut" title={task.target[0]}>
            {task.target[0] ?? t("none")}
          </span>{" "}
          {rest > 0 && <span class="more">{t("more", { count: rest })}</span>}
        </span>
      </td>
      <td role="cell" class="c-start_time" data-label={t("start_time")}>
        <Time time={task.startTime} />
      </td>
      <td role="cell" class="c-end_time" data-label={t("end_time")}>
        <Time time={task.endTime} />
      </td>
      <td role="cell" class="c-status">
        <Status status={task.status} />
      </td>
      <td role="cell" class="c-progress">
        <Progress task={task} />
      </td>
      <td role="cell" class="c-created_at" data-label={t("created_at")}>
        <Time time={task.createdAt} />
      </td>
      <td role="cell" class="c-updated_at" data-label={t("updated_at")}>
        <Time time={task.updatedAt} />
      </td>
      <td role="cell" class="c-actions">
        <Actions task={task} session={session} done={changed} />
      </td>
    </tr>
  );
}
