// The number of tasks that need a person, for the tab of the list, and for each reason beside the tasks that run.

import type { ListOutboundTasksResponse, OutboundTasks } from "@outbound-tasks/client";
import { useEffect, useState } from "preact/hooks";
import { ATTENTION, filterOf, hrefOf, isRunning, START, type View } from "./route";

/** How often they are counted again: time alone lets tasks need a person. */
export const AGAIN_MS = 15_000;

/** Counts the tasks that match a view, whatever their status, and need a person; again when `version` changes. */
export function useNeedy(view: View, service: OutboundTasks, version: number): Pick<ListOutboundTasksResponse, "total" | "attentionCounts"> | undefined {
  const [counted, setCounted] = useState<ListOutboundTasksResponse>();
  const attentionCounts = isRunning(view);
  const all = { ...view, statuses: [], attention: ATTENTION };
  const key = hrefOf({ ...all, page: 1, limit: START.limit, orderBy: START.orderBy, order: START.order });
  useEffect(() => {
    const call = new AbortController();
    const read = () => {
      if (document.visibilityState === "visible") {
        // A failure leaves the number as it was: the list itself tells of it.
        const request = { ...filterOf(all), attentionCounts, limit: 1, targetLimit: 0, readMask: { paths: ["task_id"] } };
        service.list(request, { signal: call.signal }).then(setCounted, () => undefined);
      }
    };
    read();
    const timer = setInterval(read, AGAIN_MS);
    return () => {
      clearInterval(timer);
      call.abort();
    };
  }, [service, key, attentionCounts, version]);
  return counted;
}
