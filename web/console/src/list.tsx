// The list: one page, kept up to date by the watch.

import {
  Code, type ListOutboundTasksResponse, type OutboundTask, TaskChangeKind, TaskError, TaskOrderBy, timestampDate,
} from "@outbound-tasks/client";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { FIELDS, INLINE_TARGETS } from "./feed";
import { focusedRow, keepFocus } from "./focus";
import { Hours } from "./hours";
import { number, t } from "./i18n";
import { usePaced, useWatch, type Watcher } from "./live";
import { Pager, pagesOf } from "./pager";
import { ErrorNotice } from "./parts";
import { canBeIn, filterOf, follow, hrefOf, START, type View } from "./route";
import { endedBy, type Session } from "./session";
import { Table } from "./table";
import { Filters, Tabs } from "./toolbar";

/** The minimum intervals between reads of the list, after changes that are visible on the page and after others. */
const SOON_MS = 1000;
const LATER_MS = 3000;
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

/** The values that can remove a task from the list when they change: only its name and its times can be edited. */
function filteredBy({ from, to, text }: View, { name, startTime, endTime }: OutboundTask): string {
  return [text && name, ...(from || to ? [startTime?.seconds, endTime?.seconds] : [])].join(" ");
}

/** A page and its address. */
interface Shown {
  key: string;
  page: ListOutboundTasksResponse;
}

/** The page that was shown last; it is shown immediately when the viewer returns, and then updated. */
let shown: Shown | undefined;

export function ListPage({ view, session }: { view: View; session: Session }) {
  const { service } = session;
  const key = hrefOf(view);
  const [current, setCurrent] = useState(shown?.key === key ? shown : undefined);
  const page = current?.page;
  const [error, setError] = useState<TaskError>();
  const [isLoading, setLoading] = useState(true);
  const [fresh, setFresh] = useState(new Map<string, number>());
  const calls = useRef<AbortController>(undefined);
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
        ...filterOf(view), page, limit, orderBy, order, status: statuses, statusCounts: true, targetLimit: INLINE_TARGETS, readMask: { paths: FIELDS },
      };
      const answer = await service.list(request, { signal: own.signal });
      if (!own.signal.aborted) {
        shown = { key, page: answer };
        setCurrent(shown);
        setError(undefined);
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

  /** Applies changes to the rows, and reads the list again if that is not sufficient. */
  const update: Watcher["update"] = ({ changes }) => {
    const orderField = ORDER_FIELDS[view.orderBy];
    const arrived = new Map<string, OutboundTask>();
    let pace = Number.POSITIVE_INFINITY;
    for (const { kind, taskId, task } of changes) {
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
        if (isMoved || filteredBy(view, old) !== filteredBy(view, task)) {
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
    setCurrent((now) => now && { ...now, page: { ...now.page, tasks: now.page.tasks.map((row) => arrived.get(row.taskId) ?? row) } });
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

  // The focus would be lost with a row that disappears.
  const focused = focusedRow();
  useLayoutEffect(() => keepFocus(focused));

  const total = page?.total;
  useEffect(() => {
    document.title = total === undefined ? t("title") : `${t("title")} (${number(total)})`;
  });
  const changed = (task: OutboundTask | undefined) => {
    if (task) {
      // The response to an action has more targets than a row shows.
      patch(new Map([[task.taskId, { ...task, target: task.target.slice(0, INLINE_TARGETS) }]]));
    }
    refresh(SOON_MS);
  };
  return (
    <>
      <h1 class="hidden" tabIndex={-1}>
        {t("tasks")}
      </h1>
      <Tabs view={view} counts={page?.statusCounts ?? []} />
      <Filters view={view} />
      {error && <ErrorNotice error={error} retry={() => void load()} />}
      {page && !(error && current.key !== key) ? (
        <div class={isLoading ? "sheet loading" : "sheet"}>
          {page.tasks.length > 0 ? (
            <Table tasks={page.tasks} view={view} session={session} isLoading={isLoading} fresh={fresh} changed={changed} />
          ) : (
            <Nothing view={view} total={page.total} isLoading={isLoading} />
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

function Nothing({ view, total, isLoading }: { view: View; total: number; isLoading: boolean }) {
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
  const isFiltered = hrefOf({ ...view, page: 1 }) !== hrefOf({ ...START, orderBy: view.orderBy, order: view.order, limit: view.limit });
  return (
    <div class="nothing">
      <p>{isFiltered ? t("noTasks") : t("noTasksAtAll")}</p>
      <p class="quiet">{t("noTasksHint")}</p>
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
