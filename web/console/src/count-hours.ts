// How many tasks run in each hour of some days. Exact, and in few requests however many tasks there are:
// where the days hold few tasks, these are read and counted here; where they hold many, the service counts each hour.

import { CountMode, type ListRequest, type OutboundTasks, TaskDateField, timestampDate, timestampFromDate } from "@outbound-tasks/client";

export const DAYS = 7;
/** Up to so many tasks are read, in pages of so many: five requests at most. */
const MOST_READ = 5000;
const PAGE = 1000;
/** Where finding the days' tasks takes longer than this, finding those of each hour would take far too long. */
const MOST_MS = 1500;
/** Requests for the counts of hours under way at a time: the list itself has to get through beside them. */
const AT_A_TIME = 3;

/** The beginnings of the hours of `DAYS` days from `first` on, as the viewer's clock has them, and the end of the last. */
export function hoursFrom(first: Date): Date[] {
  const hours: Date[] = [];
  for (let hour = 0; hour <= DAYS * 24; hour += 1) {
    // Not by adding hours to an instant: where clocks are changed, days have 23 or 25 of them.
    hours.push(new Date(first.getFullYear(), first.getMonth(), first.getDate() + Math.floor(hour / 24), hour % 24));
  }
  return hours;
}

export interface Hours {
  /** How many tasks run in each hour; undefined where that is not counted yet. */
  counts: (number | undefined)[];
  /** How many tasks run at all. */
  total: number;
  /** True where the hours are not counted, since that would keep the service busy for too long. */
  isTooMuch?: boolean;
}

/** Counts, telling `seen` of what is known so far. */
export async function countHours(
  service: OutboundTasks,
  filter: ListRequest,
  first: Date,
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
      // The hour that clocks skip does not exist, and the service refuses a range that is none.
      counts[hour] = from < to ? (await service.list(request, { signal })).total : 0;
      if (hour % 24 === 23) {
        seen({ counts: [...counts], total });
      }
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, worker));
  seen({ counts, total });
}

/** Adds a task to the hours that its [start, end) overlaps, as the service has it: start < hour's end, end > its start. */
export function add(counts: number[], edges: number[], start: number, end: number): void {
  for (let hour = 0; hour < counts.length; hour += 1) {
    const [from, to] = [edges[hour] as number, edges[hour + 1] as number];
    if (from < to && start < to && end > from) {
      counts[hour] = (counts[hour] as number) + 1;
    }
  }
}
