// The wallboard, for a screen on the wall: how many tasks there are of each status and kind of attention, the connect rate, and
// the tasks that run with their progress. It follows the filter of its address. Its controls lead back to the list, as Escape does, and fill the screen.

import { Code, type ListOutboundTasksResponse, TaskError, TaskStatus } from "@outbound-tasks/client";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { clock, dateOf, number, percent, relative, t, tn } from "./i18n";
import { connection, usePaced, useWatch } from "./live";
import { ErrorNotice, isLate, Progress } from "./parts";
import { calledOf, countsOf } from "./results";
import { ATTENTION, filterOf, follow, go, hrefOf, STATUSES, type View } from "./route";
import { endedBy, type Session } from "./session";

/** The minimum interval between reads after changes, and the interval of reads without changes, in milliseconds. */
const SOON_MS = 3000;
const AGAIN_MS = 10_000;
/** The interval of retries while the service is unavailable. */
const AWAY_MS = 2000;
/** Data of more than this many milliseconds ago are called old, and if the watch does not say that the service is there. */
const OLD_MS = 25_000;
const OLD_UNLESS_LIVE_MS = 12_000;
/** The most tasks to show. */
const MOST = 30;
const FIELDS = ["task_id", "name", "end_time", "status", "progress"];

interface Board {
  /** The counts of all tasks of the filter, and the tasks that run. */
  all: ListOutboundTasksResponse;
  shown: ListOutboundTasksResponse;
  /** When they arrived, by the clock of this computer. */
  at: number;
}

export function Wall({ view, session }: { view: View; session: Session }) {
  const { service, tenant } = session;
  const statuses = view.statuses.length > 0 ? view.statuses : [TaskStatus.RUNNING];
  const [board, setBoard] = useState<Board>();
  const [error, setError] = useState<TaskError>();
  const calls = useRef<AbortController>(undefined);
  const back = hrefOf(view);

  const load = async () => {
    calls.current?.abort();
    const own = new AbortController();
    calls.current = own;
    const { signal } = own;
    const filter = { ...filterOf(view), targetLimit: 0 };
    try {
      const [all, shown] = await Promise.all([
        service.list({ ...filter, limit: 1, statusCounts: true, attentionCounts: true, readMask: { paths: ["task_id"] } }, { signal }),
        service.list(
          { ...filter, status: statuses, orderBy: view.orderBy, order: view.order, limit: MOST, targetSums: true, readMask: { paths: FIELDS } },
          { signal },
        ),
      ]);
      setBoard({ all, shown, at: Date.now() });
      setError(undefined);
    } catch (reason) {
      if (!signal.aborted && !endedBy(reason)) {
        const error = TaskError.from(reason);
        setError(error);
        refresh(error.code === Code.Unavailable ? AWAY_MS : AGAIN_MS);
      }
    }
  };
  const refresh = usePaced(load);
  useEffect(() => {
    void load();
    // Time alone changes what needs a person.
    const timer = setInterval(() => document.visibilityState === "visible" && refresh(SOON_MS), AGAIN_MS);
    return () => {
      clearInterval(timer);
      calls.current?.abort();
    };
  }, [service, back]);
  useWatch(session, {
    update: ({ changes }) => changes.length > 0 && refresh(SOON_MS),
    listAgain: () => refresh(SOON_MS),
  });
  useLayoutEffect(() => {
    const { classList } = document.documentElement;
    classList.add("dark");
    return () => classList.remove("dark");
  }, []);
  useEffect(() => {
    document.title = `${t("wall")} · ${tenant}`;
  });
  useEffect(() => {
    const leave = ({ key }: KeyboardEvent) => key === "Escape" && go(back);
    addEventListener("keydown", leave);
    return () => removeEventListener("keydown", leave);
  }, [back]);

  const days = [...new Set([view.from, view.to])].filter(Boolean).join(" – ");
  const of = statuses.map((status) => tn("status", status)).join(", ");
  return (
    <div class="wall">
      <header>
        <h1>
          {t("title")} · <bdi>{tenant}</bdi>
        </h1>
        <p>
          <bdi>{[view.text, ...view.labels, days].filter(Boolean).join(" · ")}</bdi>
        </p>
        <Controls back={back} />
      </header>
      {board && <Age at={board.at} />}
      {error && !board && <ErrorNotice error={error} />}
      {!board && !error && <p role="status">{t("loading")}</p>}
      {board && (
        <>
          <Counts board={board} of={of} />
          <Running board={board} of={of} />
        </>
      )}
    </div>
  );
}

/** The way back to the list, and a button that fills the screen. Neither is there while the board does. */
function Controls({ back }: { back: string }) {
  const [isFull, setFull] = useState(false);
  useEffect(() => {
    const changed = () => setFull(document.fullscreenElement !== null);
    document.addEventListener("fullscreenchange", changed);
    return () => {
      document.removeEventListener("fullscreenchange", changed);
      if (document.fullscreenElement) {
        void document.exitFullscreen();
      }
    };
  }, []);
  if (isFull) {
    return null;
  }
  return (
    <p class="controls">
      <a href={back} onClick={follow}>
        {t("back")}
      </a>
      {document.fullscreenEnabled && (
        <button type="button" onClick={() => void document.documentElement.requestFullscreen()}>
          {t("fullScreen")}
        </button>
      )}
    </p>
  );
}

/** From when the data are, in a colour that is seen from afar if they are old. */
function Age({ at }: { at: number }) {
  const state = connection.use();
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  const isOld = now - at > (state === "live" ? OLD_MS : OLD_UNLESS_LIVE_MS);
  const time = clock(new Date(at));
  return (
    <p key={String(isOld)} class={isOld ? "age old" : "age"} role={isOld ? "alert" : undefined}>
      {isOld ? t("wallOld", { time }) : t("asOf", { time })}
    </p>
  );
}

function Counts({ board: { all, shown }, of }: { board: Board; of: string }) {
  const counts = shown.targetSums && countsOf(shown.targetSums);
  const answered = counts?.answered ?? 0;
  const called = counts ? calledOf(counts) : 0;
  const ofStatus = (one: number) => all.statusCounts.find(({ status }) => status === one)?.count ?? 0;
  const ofKind = (one: number) => all.attentionCounts.find(({ attention }) => attention === one)?.count ?? 0;
  return (
    <>
      <h2 class="hidden">{t("status")}</h2>
      <dl class="tiles">
        {STATUSES.map((status) => (
          <div key={status}>
            <dt class={`status s${status}`}>{tn("status", status)}</dt>
            <dd>{number(ofStatus(status))}</dd>
          </div>
        ))}
        <div class="connect">
          <dt>
            {t("connectRate")}: {of}
          </dt>
          <dd>
            {called > 0 ? percent(answered / called) : "–"}{" "}
            {called > 0 && <span class="quiet">{t("connectRateOf", { answered, called })}</span>}
          </dd>
        </div>
      </dl>
      <h2>{t("attention")}</h2>
      <dl class="tiles needs">
        {ATTENTION.map((kind) => (
          <div key={kind} class={ofKind(kind) > 0 ? "need" : undefined}>
            <dt>{tn("attention", kind)}</dt>
            <dd>{number(ofKind(kind))}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}

function Running({ board: { shown }, of }: { board: Board; of: string }) {
  const { tasks, total } = shown;
  return (
    <section aria-labelledby="wall-tasks">
      <h2 id="wall-tasks">
        {of} ({number(total)})
      </h2>
      <ul class="bars">
        {tasks.map((task) => {
          const end = dateOf(task.endTime);
          return (
            <li key={task.taskId}>
              <strong>
                <bdi>{task.name}</bdi>
              </strong>
              <Progress task={task} />
              {end && <span class={isLate(task) ? "late" : "quiet"}>{t("wallEnd", { time: relative(end) })}</span>}
            </li>
          );
        })}
      </ul>
      {total > tasks.length && <p class="quiet">{t("wallMore", { count: total - tasks.length })}</p>}
    </section>
  );
}
