// The tasks of a page with the columns of the specification. On a narrow screen rows become cards; the ARIA roles keep
// it a table for screen readers.
//
// A page may have 1,000 rows. They are rendered in portions, so that the browser can answer to the user between them; a row
// is rendered again only if it changed, and a selection changes only its first cell; and rows outside the window are not laid
// out (`content-visibility` in table.css). All rows are in the document, for the browser's search, for paper and for screen
// readers.

import { type OutboundTask, SortOrder, TaskAttention, TaskOrderBy } from "@outbound-tasks/client";
import { Component } from "preact";
import { useEffect, useLayoutEffect, useReducer, useRef } from "preact/hooks";
import { Actions } from "./actions";
import { type Lang, lang, t, tn } from "./i18n";
import { hidden } from "./kept";
import { LabelButtons } from "./label-parts";
import { isLate, Progress, Status, Time } from "./parts";
import { ALL_TARGETS, follow, go, hrefOf, START, taskHref, type View } from "./route";
import type { Session } from "./session";
import type { Word } from "./words";

/** The number of rows to render first; the next portions have as many as can be rendered in `PORTION_MS` milliseconds. */
const PORTION = 30;
const MIN_PORTION = 10;
const MAX_PORTION = 100;
const PORTION_MS = 40;

export const COLUMNS: { word: Word; order?: TaskOrderBy; /** Whether it cannot be hidden. */ isFixed?: boolean }[] = [
  { word: "task_id", order: TaskOrderBy.TASK_ID },
  { word: "name", order: TaskOrderBy.NAME, isFixed: true },
  { word: "labels" },
  { word: "target" },
  { word: "start_time", order: TaskOrderBy.START_TIME },
  { word: "end_time", order: TaskOrderBy.END_TIME },
  { word: "status", isFixed: true },
  { word: "progress", order: TaskOrderBy.PROGRESS },
  { word: "created_at", order: TaskOrderBy.CREATED_AT },
  { word: "updated_at", order: TaskOrderBy.UPDATED_AT },
  { word: "actions", isFixed: true },
];

/** The columns of a view that can be hidden and are shown, where the browser keeps these as hidden. */
export function shownIn({ columns }: View, kept: readonly string[]): string[] {
  const words = COLUMNS.filter(({ isFixed }) => !isFixed).map(({ word }) => word);
  return words.filter((word) => columns?.includes(word) ?? !kept.includes(word));
}

interface TableProps {
  tasks: OutboundTask[];
  /** What the tasks belong to; the rendering in portions begins again when it changes. */
  listKey: string;
  view: View;
  session: Session;
  isLoading: boolean;
  /** Whether the rows are those of another list, which is shown until this one arrives. */
  isStale: boolean;
  /** The tasks that just changed, and how often: each change is highlighted. */
  fresh: Map<string, number>;
  /** The tasks that left the page while their rows stay. */
  left: Set<string>;
  selected: Set<string>;
  select: (ids: Set<string>) => void;
  changed: (task: OutboundTask | undefined) => void;
  /** Called when a mouse comes over the rows or leaves them. */
  hover: (isOver: boolean) => void;
}

export function Table({ tasks, listKey, view, session, isLoading, isStale, fresh, left, selected, select, changed, hover }: TableProps) {
  const now = lang.use();
  const columns = shownIn(view, hidden.use());
  const off = COLUMNS.filter(({ word, isFixed }) => !isFixed && !columns.includes(word)).map(({ word }) => `no-${word}`);
  const { count } = usePortions(listKey, tasks.length, PORTION);
  const translated = usePortions(now, tasks.length, Number.POSITIVE_INFINITY);
  const customerId = view.search === "customer_id" ? view.text : "";
  const isWhole = tasks.every(({ taskId }) => selected.has(taskId));
  // The rows that are not rendered again keep an old function, so it must not use old values.
  const latest = useRef({ selected, select });
  latest.current = { selected, select };
  const toggle = useRef((taskId: string, isSelected: boolean) => {
    const ids = new Set(latest.current.selected);
    ids[isSelected ? "add" : "delete"](taskId);
    latest.current.select(ids);
  });
  return (
    <table class={["tasks", ...off].join(" ")} role="table" aria-label={t("tasks")} aria-busy={isLoading}>
      <thead role="rowgroup">
        <tr role="row">
          <th role="columnheader" scope="col" class="c-select">
            <input
              type="checkbox"
              aria-label={t("selectPage")}
              checked={isWhole}
              indeterminate={!isWhole && tasks.some(({ taskId }) => selected.has(taskId))}
              onChange={({ currentTarget: { checked } }) => {
                const ids = tasks.map(({ taskId }) => taskId);
                select(checked ? new Set([...selected, ...ids]) : new Set([...selected].filter((id) => !ids.includes(id))));
              }}
            />
          </th>
          {COLUMNS.map(({ word, order }) => (
            <Heading key={word} word={word} order={order} view={view} />
          ))}
        </tr>
      </thead>
      <tbody
        role="rowgroup"
        inert={isStale}
        // Moves, because a window that opens below a resting mouse is entered without one.
        onPointerMove={(event) => event.pointerType === "mouse" && hover(true)}
        onPointerLeave={() => hover(false)}
      >
        {tasks.slice(0, count).map((task, n) => (
          <Row
            key={task.taskId}
            task={task}
            session={session}
            news={fresh.get(task.taskId) ?? 0}
            hasLeft={left.has(task.taskId)}
            customerId={customerId}
            language={n < translated.count ? now : (translated.before ?? now)}
            isSelected={selected.has(task.taskId)}
            toggle={toggle.current}
            changed={changed}
          />
        ))}
      </tbody>
      {count < tasks.length && (
        // The room of the rows to come, so that the browser finds its place again on the way back to a long page.
        <tbody class="room" aria-hidden="true" style={{ "--rows": String(tasks.length - count) }} />
      )}
    </table>
  );
}

/**
 * How many of `total` rows to render for `key`: `first` for the first key, a portion for the next ones, and more and more. Rows
 * that follow are still those of the key before.
 */
function usePortions<Key extends string>(key: Key, total: number, first: number): { count: number; before: Key | undefined } {
  const [, draw] = useReducer((n: number) => n + 1, 0);
  const begun = performance.now();
  const state = useRef({ key, count: first, size: PORTION, before: undefined as Key | undefined });
  if (state.current.key !== key) {
    state.current = { key, count: PORTION, size: PORTION, before: state.current.key };
  }
  const { count, size, before } = state.current;
  useLayoutEffect(() => {
    const tookMs = performance.now() - begun;
    state.current.size = Math.max(MIN_PORTION, Math.min(MAX_PORTION, Math.round((size * PORTION_MS) / tookMs)));
  }, [key, count]);
  useEffect(() => {
    if (count >= total) {
      return;
    }
    const render = (rows: number) => {
      state.current.count = rows;
      draw(undefined);
    };
    const timer = setTimeout(() => render(count + state.current.size));
    const all = () => render(total); // paper has all rows
    addEventListener("beforeprint", all);
    return () => {
      clearTimeout(timer);
      removeEventListener("beforeprint", all);
    };
  }, [key, count, total]);
  return { count, before };
}

/** What people read from A to Z; of times and progress they want the latest and the highest first. */
const FROM_A = [TaskOrderBy.TASK_ID, TaskOrderBy.NAME];

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
  const first = FROM_A.includes(order) ? SortOrder.ASC : START.order;
  const next = isSorted ? (isUp ? SortOrder.DESC : SortOrder.ASC) : first;
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
  hasLeft: boolean;
  /** The customer by whom the list is filtered; the task's page then shows this one. */
  customerId: string;
  language: Lang;
  isSelected: boolean;
  toggle: (taskId: string, isSelected: boolean) => void;
  changed: TableProps["changed"];
}

/** What a row shows, and its cells without the selection: they are rendered again when one of these changes. */
const SHOWN = ["task", "session", "customerId", "news", "hasLeft", "language", "isSelected"] as const;
const IN_CELLS = ["task", "session", "customerId", "language"] as const;

class Row extends Component<RowProps> {
  override shouldComponentUpdate(next: RowProps) {
    return SHOWN.some((name) => next[name] !== this.props[name]);
  }

  override render() {
    const { task, news, hasLeft, isSelected } = this.props;
    const classes = [news > 0 && `fresh f${news % 2}`, hasLeft && "left", isSelected && "selected"].filter(Boolean).join(" ");
    return (
      <tr role="row" class={classes || undefined}>
        <td role="cell" class="c-select">
          <input
            type="checkbox"
            aria-label={t("selectTask", { name: task.name })}
            checked={isSelected}
            onChange={(event) => this.props.toggle(task.taskId, event.currentTarget.checked)}
          />
        </td>
        <Cells {...this.props} />
      </tr>
    );
  }
}

class Cells extends Component<RowProps> {
  override shouldComponentUpdate(next: RowProps) {
    return IN_CELLS.some((name) => next[name] !== this.props[name]);
  }

  override render() {
    const { task, session, customerId } = this.props;
    const rest = task.targetCount - task.target.length;
    return (
      <>
        <td role="cell" class="c-task_id" title={task.taskId} data-label={t("task_id")}>
          <bdi class="cut">{task.taskId}</bdi>
        </td>
        <td role="cell" class="c-name" title={task.name}>
          <a id={`task ${task.taskId}`} class="cut" href={taskHref(task.taskId, { ...ALL_TARGETS, customerId })} onClick={follow}>
            <bdi>{task.name}</bdi>
          </a>
        </td>
        <td role="cell" class="c-labels" data-label={t("labels")}>
          <LabelButtons labels={task.labels} />
        </td>
        <td role="cell" class="c-target" data-label={t("target")}>
          <span class="targets">
            <bdi class="cut" title={task.target[0]}>
              {task.target[0] ?? t("none")}
            </bdi>{" "}
            {rest > 0 && <span class="more">{t("more", { count: rest })}</span>}
          </span>
        </td>
        <td role="cell" class="c-start_time" data-label={t("start_time")}>
          <Time time={task.startTime} />
        </td>
        <td role="cell" class={isLate(task) ? "c-end_time late" : "c-end_time"} data-label={t("end_time")}>
          <Time time={task.endTime} />
          {isLate(task) && <span class="hidden">{tn("attention", TaskAttention.OVERDUE)}</span>}
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
          <Actions task={task} session={session} done={(task) => this.props.changed(task)} />
        </td>
      </>
    );
  }
}
