// Why a task needs a person, on its page: the kinds of attention that the service counts for it.

import { type OutboundTasks, type TaskAttention } from "@outbound-tasks/client";
import { useEffect, useState } from "preact/hooks";
import { t, tn } from "./i18n";
import { AGAIN_MS } from "./needy";
import { ATTENTION, follow, hrefOf, viewOf } from "./route";

interface NeedsProps {
  taskId: string;
  service: OutboundTasks;
  /** Changes whenever the task may have changed. */
  version: unknown;
}

/** The kinds of attention of a task; each leads to the list of all such tasks. */
export function Needs({ taskId, service, version }: NeedsProps) {
  const [kinds, setKinds] = useState<TaskAttention[]>([]);
  useEffect(() => {
    const call = new AbortController();
    const read = () => {
      const request = { taskIds: [taskId], attention: ATTENTION, attentionCounts: true, limit: 1, targetLimit: 0, readMask: { paths: ["task_id"] } };
      service.list(request, { signal: call.signal }).then(
        ({ attentionCounts }) => setKinds(attentionCounts.filter(({ count }) => count > 0).map(({ attention }) => attention)),
        () => undefined, // the page itself tells of a failure
      );
    };
    read();
    const timer = setInterval(() => document.visibilityState === "visible" && read(), AGAIN_MS);
    return () => {
      clearInterval(timer);
      call.abort();
    };
  }, [service, taskId, version]);
  if (kinds.length === 0) {
    return null;
  }
  return (
    <span class="late">
      {t("needs")}{" "}
      {kinds.map((kind, n) => [
        n > 0 && ", ",
        <a key={kind} href={hrefOf({ ...viewOf(""), attention: [kind] })} onClick={follow}>
          {tn("attention", kind)}
        </a>,
      ])}
    </span>
  );
}
