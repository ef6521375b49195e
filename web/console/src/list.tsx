// The list: one page, kept up to date by the watch.

import {
  Code, type ListOutboundTasksResponse, type OutboundTask, TaskChangeKind, TaskError, TaskOrderBy, timestampDate,
} from "@outbound-tasks/client";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { BulkBar } from "./bulk";
import { Commands } from "./commands";
import { openAdd } from "./customers";
import { FIELDS, INLINE_TARGETS } from "./feed";
import { focusedRow, keepFocus } from "./focus";
import { taskChanged } from "./actions";
import { isDialogOpen } from "./dialog";
import { openCreate } from "./forms";
import { Hours } from "./hours";
import { number, t } from "./i18n";
import { learn, termsOf } from "./labels";
import { usePaced, useWatch, type Watcher } from "./live";
import { useNeedy } from "./needy";
import { Pager, pagesOf } from "./pager";
import { ErrorNotice } from "./parts";
import { canBeIn, filterOf, follow, go, hrefOf, isRunning, START, taskHref, type View } from "./route";
import { endedBy, type Session } from "./session";
import { Table } from "./table";
import { Filters, Kinds, Tabs } from "./toolbar";
import { zone } from "./zone";

/** The minimum intervals between reads of the list, after changes that are visible on the page and after others. */
const SOON_MS = 1000;
const LATER_MS = 3000;
/** How often the list of tasks that need a person is read again, besides after changes. */
const ATTENTION_MS = 15_000;
/** The interval of retries while the service is unavailable. */
const AWAY_MS = 2000;

/** The values that determine a task's position in the list. */
const ORDER_FIELDS: Partial<Record<TaskOrderBy, (task: OutboundTask) => unknown>> = {
  [TaskOrderBy.START_TIME]: (task) => task.startTime && timestampDate(task.startTime).getTime(),
  [TaskOrderBy.END_TIME]: (task) => task.endTime && timestampDate(task.endTime).getTime(),
  [TaskOrderBy.UPDATED_AT]: (task) => task.etag,
  [TaskOrderBy.NAME]: (task) => task.name,
  [TaskOrderBy.PROGRESS]: (task) => task.progress,
};

/** The values that can remove a task from the list when they change: only its name, times and labels can be edited. */
function filteredBy({ from, to, text, labels: wanted }: View, { name, startTime, endTime, labels }: OutboundTask): string {
  return [text && name, ...(from || to ? [startTime?.seconds, endTime?.seconds] : []), ...(wanted.length > 0 ? termsOf(labels) : [])].join("\n");
}

/** An old page is replaced by placeholders if the next one takes longer than this, in milliseconds. */
const SLOW_MS = 400;

/** A page with more tasks than this takes a while to decode. */
const LONG = 200;

/** A page and its address. */
interface Shown {
  key: string;
  page: ListOutboundTasksResponse;
  /** The rows in their earlier order, while a new order would move them below the pointer. */
  held?: OutboundTask[];
}

/** The rows of a page, in the order in which they are shown. */
function rowsOf({ page, held }: Shown): OutboundTask[] {
  if (!held) {
    return page.tasks;
  }
  const latest = new Map(page.tasks.map((task) => [task.taskId, task]));
  return held.map((row) => latest.get(row.taskId) ?? row);
}

function ids(tasks: OutboundTask[]): string {
  return tasks.map(({ taskId }) => taskId).join("\n");
}

/** The page that was shown last; it is shown immediately when the viewer returns, and then updated. */
let shown: Shown | undefined;

export function ListPage({ view, session }: { view: View; session: Session }) {
  const { service } = session;
  // With the tenant: another one can sign in here.
  const key = `${hrefOf(view)} ${zone()} ${session.tenant}`;
  const [current, setCurrent] = useState(shown?.key === key ? shown : undefined);
  const page = current?.page;
  const [error, setError] = useState<TaskError>();
  const [isLoading, setLoading] = useState(true);
  const [fresh, setFresh] = useState(new Map<string, number>());
  const calls = useRef<AbortController>(undefined);
  /** Whether a mouse is over the rows: they keep their order then, and as long as a dialog is open. */
  const isOver = useRef(false);
  const isAsked = isDialogOpen.use();
  const release = () => setCurrent((now) => now && { key: now.key, page: now.page });
  useEffect(() => {
    if (!isAsked && !isOver.current) {
      release();
    }
  }, [isAsked]);
  /** The time since when the watch reports all changes; a page from an earlier time may lack some. */
  const watched = useRef<Date>(undefined);

  const load = async () => {
    calls.current?.abort();
    const own = new AbortController();
    calls.current = own;
    setLoading(true);
    try {
      const { page, limit, orderBy, order, statuses } = view;
      const request = {
        ...filterOf(view), page, limit, orderBy, order, status: statuses, statusCounts: true, attentionCounts: view.attention.length > 0, targetLimit: INLINE_TARGETS, readMask: { paths: FIELDS },
      };
      const answer = await service.list(request, { signal: own.signal });
      if (answer.tasks.length > LONG) {
        await new Promise((resolve) => setTimeout(resolve)); // the browser can answer to the user after it was decoded
      }
      if (!own.signal.aborted) {
        setCurrent((now) => {
          const isMoved = now?.key === key && ids(rowsOf(now)) !== ids(answer.tasks);
          return isMoved && (isOver.current || isDialogOpen.get()) ? { key, page: answer, held: rowsOf(now) } : { key, page: answer };
        });
        setError(undefined);
        learn(answer.tasks);
        check(answer);
      }
    } catch (reason) {
      if (!own.signal.aborted && !endedBy(reason)) {
        const error = TaskError.from(reason);
        setError(error);
        if (error.code === Code.Unavailable) {
          refresh(AWAY_MS);
        }
      }
    } finally {
      if (calls.current === own) {
        setLoading(false);
      }
    }
  };
  const refresh = usePaced(load);
  const check = ({ asOf }: ListOutboundTasksResponse) => {
    if (asOf && watched.current && timestampDate(asOf) <= watched.current) {
      refresh(SOON_MS);
    }
  };
  useEffect(() => {
    void load();
    return () => calls.current?.abort();
  }, [service, key]);
  // An address with days names their zone, so that it can be sent to someone in another one.
  useEffect(() => {
    if ((view.from || view.to) && !view.zone) {
      go(hrefOf(view), true, history.state);
    }
  }, [key]);

  /** Applies changes to the rows, and reads the list again if that is not sufficient. */
  const update: Watcher["update"] = ({ changes }) => {
    const orderField = ORDER_FIELDS[view.orderBy];
    const arrived = new Map<string, OutboundTask>();
    let pace = Number.POSITIVE_INFINITY;
    for (const { kind, taskId, task } of changes) {
      taskChanged(taskId, task);
      const old = page?.tasks.find((row) => row.taskId === taskId);
      if (!old) {
        // The watch covers all tasks: most other changes can affect the totals or other pages.
        if (canBeIn(view, taskId, task)) {
          pace = Math.min(pace, kind === TaskChangeKind.CREATED ? SOON_MS : LATER_MS);
        }
      } else if (!task) {
        pace = Math.min(pace, SOON_MS);
      } else if (old.etag !== task.etag) {
        arrived.set(taskId, task);
        const isMoved = old.status !== task.status || orderField?.(old) !== orderField?.(task);
        if (isMoved || view.attention.length > 0 || filteredBy(view, old) !== filteredBy(view, task)) {
          pace = Math.min(pace, SOON_MS);
        }
      }
    }
    if (arrived.size > 0) {
      patch(arrived);
    }
    if (pace < Number.POSITIVE_INFINITY) {
      refresh(pace);
    }
  };
  const patch = (arrived: Map<string, OutboundTask>) => {
    const patched = (rows: OutboundTask[]) => rows.map((row) => arrived.get(row.taskId) ?? row);
    setCurrent((now) => now && { ...now, page: { ...now.page, tasks: patched(now.page.tasks) }, held: now.held && patched(now.held) });
    setFresh((fresh) => new Map([...arrived.keys()].map((id) => [id, (fresh.get(id) ?? 0) + 1])));
  };
  useWatch(session, {
    update,
    listAgain(asOf) {
      watched.current = asOf;
      if (!asOf) {
        refresh(SOON_MS);
      } else if (page && !isLoading) {
        check(page); // a page that is still being read is checked when it arrives
      }
    },
  });

  shown = current;
  const isStale = current !== undefined && current.key !== key;
  const [isSlow, setSlow] = useState(false);
  useEffect(() => {
    const timer = isStale ? setTimeout(() => setSlow(true), SLOW_MS) : undefined;
    return () => {
      clearTimeout(timer);
      setSlow(false);
    };
  }, [isStale, key]);
  const tasks = current && rowsOf(current);
  const staying = new Set(page?.tasks.map(({ taskId }) => taskId));

  // The focus would be lost with a row that disappears.
  const focused = focusedRow();
  useLayoutEffect(() => keepFocus(focused));

  const total = page?.total;
  /** The number of changes from here; each can change how many tasks need a person. */
  const [changes, setChanges] = useState(0);
  const needy = useNeedy(view, service, changes);
  // Time alone lets tasks need a person.
  useEffect(() => {
    const timer = view.attention.length > 0 ? setInterval(() => refresh(SOON_MS), ATTENTION_MS) : undefined;
    return () => clearInterval(timer);
  }, [key]);
  useEffect(() => {
    document.title = total === undefined ? t("title") : `${t("title")} (${number(total)})`;
  });
  const filterKey = hrefOf({ ...view, page: 1, limit: START.limit, orderBy: START.orderBy, order: START.order, columns: undefined });
  const [selected, setSelected] = useState(new Set<string>());
  /** Whether all tasks of the list are selected, on all its pages. */
  const [isAll, setAll] = useState(false);
  const select = (ids: Set<string>) => {
    setSelected(ids);
    setAll(false);
  };
  // A selection lasts over the pages and orders of one filter.
  useEffect(() => select(new Set()), [filterKey]);

  const create = () => openCreate({ service, done: created });
  /** Customers are added next, on the page of the new task. */
  const created = (task: OutboundTask) => {
    go(taskHref(task.taskId));
    openAdd({ task, service, done: () => undefined });
  };
  const changed = (task: OutboundTask | undefined) => {
    if (task) {
      // The response to an action has more targets than a row shows.
      patch(new Map([[task.taskId, { ...task, target: task.target.slice(0, INLINE_TARGETS) }]]));
    }
    setChanges(changes + 1);
    refresh(SOON_MS);
  };
  return (
    <>
      <h1 class="hidden" tabIndex={-1}>
        {t("tasks")}
      </h1>
      <div class="top-row">
        {/* The other tabs lead to all tasks of a status, and not only to those that need a person. */}
        <Tabs view={view} counts={(view.attention.length === 0 && page?.statusCounts) || []} needy={needy?.total} />
        <Commands view={view} total={total ?? 0} session={session} create={create} imported={() => changed(undefined)} />
      </div>
      {view.attention.length > 0 && <Kinds view={view} counts={page?.attentionCounts ?? []} />}
      {isRunning(view) && needy && needy.total > 0 && <Kinds view={{ ...view, statuses: [] }} counts={needy.attentionCounts} />}
      <Filters view={view} />
      {error && <ErrorNotice error={error} retry={() => void load()} />}
      {selected.size > 0 && (
        <BulkBar
          session={session}
          selected={selected}
          total={total ?? 0}
          filter={{ ...filterOf(view), status: view.statuses }}
          isAll={isAll}
          selectAll={() => setAll(true)}
          clear={() => select(new Set())}
          done={() => {
            setChanges(changes + 1);
            refresh(0);
          }}
        />
      )}
      {current?.held && (
        <p class="moved">
          {t("orderChanged")}{" "}
          <button type="button" onClick={release}>
            {t("showOrder")}
          </button>
        </p>
      )}
      {page && tasks && !(isStale && (error || isSlow)) ? (
        <div class={isLoading ? "sheet loading" : "sheet"}>
          {tasks.length > 0 ? (
            <Table
              tasks={tasks}
              listKey={current.key}
              view={view}
              session={session}
              isLoading={isLoading}
              isStale={isStale}
              fresh={fresh}
              selected={selected}
              select={select}
              left={new Set(current.held?.map(({ taskId }) => taskId).filter((id) => !staying.has(id)))}
              changed={changed}
              hover={(is) => {
                isOver.current = is;
                if (!is && !isDialogOpen.get() && current.held) {
                  release();
                }
              }}
            />
          ) : (
            <Nothing view={view} page={page} isLoading={isLoading} />
          )}
          <Pager view={view} total={page.total} shown={page.tasks.length} asOf={page.asOf} />
        </div>
      ) : (
        !error && <Skeleton />
      )}
      <Hours view={view} service={service} />
    </>
  );
}

function Nothing({ view, page: { total, statusCounts }, isLoading }: { view: View; page: ListOutboundTasksResponse; isLoading: boolean }) {
  if (isLoading) {
    return <Skeleton />;
  }
  if (total > 0) {
    return (
      <div class="nothing">
        <p>{t("pastEnd", { page: view.page })}</p>
        <a class="button" href={hrefOf({ ...view, page: pagesOf(total, view.limit) })} onClick={follow}>
          {t("lastPage")}
        </a>
      </div>
    );
  }
  const all = { ...START, orderBy: view.orderBy, order: view.order, limit: view.limit, columns: view.columns };
  const isOnly = (statuses: View["statuses"]) => hrefOf({ ...view, page: 1 }) === hrefOf({ ...all, statuses });
  const isStart = isRunning(view) && isOnly(view.statuses);
  if (isOnly([]) || (isStart && statusCounts.every(({ count }) => count === 0))) {
    return (
      <div class="nothing">
        <p>{t("noTasksAtAll")}</p>
        <p class="quiet">{t("noTasksAtAllHint")}</p>
      </div>
    );
  }
  const elsewhere = statusCounts.reduce((sum, { count }) => sum + count, 0);
  return (
    <div class="nothing">
      <p>{isStart ? t("noneRunning") : t("noTasks")}</p>
      {isStart ? (
        <a class="button" href={hrefOf(all)} onClick={follow}>
          {t("toList")}
        </a>
      ) : elsewhere > 0 ? (
        <a class="button" href={hrefOf({ ...view, statuses: [], page: 1 })} onClick={follow}>
          {t("inOtherStatuses", { count: elsewhere })}
        </a>
      ) : (
        <p class="quiet">{t("noTasksHint")}</p>
      )}
    </div>
  );
}

/** Placeholders for rows. */
export function Skeleton() {
  return (
    <div class="skeleton" role="status">
      <span class="hidden">{t("loading")}</span>
      {Array.from({ length: 8 }, (_, n) => (
        <div key={n} class="bone" />
      ))}
    </div>
  );
}
