// Counts how many tasks run in each hour of some days, exactly and in few requests. If few tasks run in these days,
// they are read and counted here; if there are many, the service counts each hour.

import { CountMode, type ListRequest, type OutboundTasks, TaskDateField, timestampDate, timestampFromDate } from "@outbound-tasks/client";
import { hourStart } from "./zone";

export const DAYS = 7;
/** The maximum number of tasks to read, and the page size: at most five requests. */
const MOST_READ = 5000;
const PAGE = 1000;
/** If finding the tasks of all days takes longer than this, in milliseconds, counting each hour would take far too long. */
const MOST_MS = 1500;
/** The number of concurrent requests for hours; few, so that the list's own requests get through. */
const AT_A_TIME = 3;

/** The starts of the hours of `DAYS` days from `first`, by the clock of the console's zone, and the end of the last one. */
export function hoursFrom(first: string): Date[] {
  const hours: Date[] = [];
  for (let hour = 0; hour <= DAYS * 24; hour += 1) {
    // Hours are not added to an instant, because days with a clock change have 23 or 25 hours.
    hours.push(hourStart(first, Math.floor(hour / 24), hour % 24) as Date);
  }
  return hours;
}

export interface Hours {
  /** The number of tasks that run in each hour; undefined until it is counted. */
  counts: (number | undefined)[];
  /** The number of tasks that run in these days. */
  total: number;
  /** Whether the hours are not counted because that would keep the service busy for too long. */
  isTooMuch?: boolean;
}

/** Counts the hours, and reports intermediate results to `seen`. */
export async function countHours(
  service: OutboundTasks,
  filter: ListRequest,
  first: string,
  signal: AbortSignal,
  seen: (hours: Hours) => void,
): Promise<void> {
  const hours = hoursFrom(first);
  const within = (from: Date, to: Date): ListRequest => ({
    ...filter,
    dateField: TaskDateField.WINDOW,
    dateRange: { start: timestampFromDate(from), end: timestampFromDate(to) },
  });
  const start = hours[0] as Date;
  const end = hours[hours.length - 1] as Date;
  const counts: (number | undefined)[] = Array.from({ length: hours.length - 1 });
  const readMask = { paths: ["start_time", "end_time"] };
  const begun = Date.now();
  const opening = await service.list({ ...within(start, end), limit: PAGE, targetLimit: 0, readMask }, { signal });
  const { total } = opening;
  if (total <= MOST_READ) {
    const edges = hours.map((hour) => hour.getTime());
    counts.fill(0);
    let page = opening;
    for (;;) {
      for (const { startTime, endTime } of page.tasks) {
        if (startTime && endTime) {
          add(counts as number[], edges, timestampDate(startTime).getTime(), timestampDate(endTime).getTime());
        }
      }
      if (!page.nextPageToken) {
        break;
      }
      const { nextPageToken: pageToken } = page;
      page = await service.list({ ...within(start, end), limit: PAGE, targetLimit: 0, readMask, pageToken, count: CountMode.NONE }, { signal });
    }
    seen({ counts, total });
    return;
  }
  const isTooMuch = Date.now() - begun > MOST_MS;
  seen({ counts: [...counts], total, isTooMuch });
  if (isTooMuch) {
    return;
  }
  let next = 0;
  const worker = async () => {
    while (next < counts.length) {
      const hour = next;
      next += 1;
      const [from, to] = [hours[hour] as Date, hours[hour + 1] as Date];
      const request = { ...within(from, to), limit: 1, targetLimit: 0, readMask: { paths: ["task_id"] } };
      // An hour skipped by a clock change is empty, and the service rejects an empty range.
      counts[hour] = from < to ? (await service.list(request, { signal })).total : 0;
      if (hour % 24 === 23) {
        seen({ counts: [...counts], total });
      }
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, worker));
  seen({ counts, total });
}

/** Adds a task to the hours that its [start, end) overlaps: start < end of the hour, end > start of the hour. */
export function add(counts: number[], edges: number[], start: number, end: number): void {
  for (let hour = 0; hour < counts.length; hour += 1) {
    const [from, to] = [edges[hour] as number, edges[hour + 1] as number];
    if (from < to && start < to && end > from) {
      counts[hour] = (counts[hour] as number) + 1;
    }
  }
}
