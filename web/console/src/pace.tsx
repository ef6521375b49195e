// How fast a task proceeds: calls per minute, the expected end, and progress over time.

import { type GetTaskProgressResponse, type OutboundTask, type OutboundTasks, type TaskProgressPoint, TaskStatus } from "@outbound-tasks/client";
import { useEffect, useState } from "preact/hooks";
import { dateOf, fullTime, number, t } from "./i18n";
import { Time } from "./parts";

/** How often a running task is read again. The service stores a point each minute. */
const AGAIN_MS = 15_000;
/** The size of the picture, in its own units. A percent is one unit high. */
const WIDTH = 400;
const HEIGHT = 100;

function useProgress({ taskId, status }: OutboundTask, service: OutboundTasks): GetTaskProgressResponse | undefined {
  const [progress, setProgress] = useState<GetTaskProgressResponse>();
  useEffect(() => {
    const call = new AbortController();
    const read = () => {
      if (document.visibilityState === "visible") {
        // A failure leaves it as it was: the page itself tells of it.
        service.rpc.getTaskProgress({ taskId }, { signal: call.signal }).then(setProgress, () => undefined);
      }
    };
    read();
    const timer = status === TaskStatus.RUNNING ? setInterval(read, AGAIN_MS) : undefined;
    return () => {
      clearInterval(timer);
      call.abort();
    };
  }, [service, taskId, status]);
  return progress;
}

export function Pace({ task, service }: { task: OutboundTask; service: OutboundTasks }) {
  const progress = useProgress(task, service);
  const isRunning = task.status === TaskStatus.RUNNING;
  const points = progress?.points ?? [];
  if (!progress || (!isRunning && points.length < 2)) {
    return null;
  }
  const { callsPerMinute, expectedEndTime } = progress;
  return (
    <section aria-labelledby="pace">
      <h2 id="pace">{t("pace")}</h2>
      {isRunning && (
        <dl class="pace">
          <div>
            <dt>{t("callsPerMinute")}</dt>
            <dd>{callsPerMinute === undefined ? <span class="quiet">{t("paceSoon")}</span> : number(Math.round(callsPerMinute * 10) / 10)}</dd>
          </div>
          <div>
            <dt>{t("expectedEnd")}</dt>
            <dd>{expectedEndTime ? <Time time={expectedEndTime} full /> : <span class="quiet">{t("noExpectedEnd")}</span>}</dd>
          </div>
        </dl>
      )}
      {points.length > 1 && <Curve points={points} />}
    </section>
  );
}

function Curve({ points }: { points: TaskProgressPoint[] }) {
  const times = points.map(({ at }) => dateOf(at)?.getTime() ?? 0);
  const first = times[0] ?? 0;
  const span = Math.max(1, (times.at(-1) ?? 0) - first);
  const line = points.map(({ progress }, n) => `${((WIDTH * ((times[n] ?? 0) - first)) / span).toFixed(1)},${HEIGHT - progress}`).join(" ");
  const [from, to] = [points[0], points.at(-1)];
  const half = points.find(({ progress }) => progress >= 50);
  const time = (point: TaskProgressPoint | undefined) => {
    const date = dateOf(point?.at);
    return date ? fullTime(date) : "";
  };
  const ends = { from: from?.progress ?? 0, start: time(from), to: to?.progress ?? 0, end: time(to) };
  const text = t("curveText", ends) + (half && half !== from && half !== to ? t("curveHalf", { half: time(half) }) : "");
  return (
    <figure class="curve">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={text}>
        <polygon points={`0,${HEIGHT} ${line} ${WIDTH},${HEIGHT}`} />
        <polyline points={line} />
      </svg>
      <figcaption aria-hidden="true">
        <span>
          {ends.start} · {number(ends.from)}%
        </span>
        <span>
          {ends.end} · {number(ends.to)}%
        </span>
      </figcaption>
    </figure>
  );
}
