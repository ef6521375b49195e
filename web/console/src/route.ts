// What is shown, as it stands in the address: the words are those of the service's HTTP form.

import {
  type ListRequest, type OutboundTask, SortOrder, TaskDateField, TaskOrderBy, TaskStatus, timestampDate, timestampFromDate,
} from "@outbound-tasks/client";
import { store } from "./store";

export const BASE = "/console/";

export const STATUSES = [
  TaskStatus.PENDING,
  TaskStatus.RUNNING,
  TaskStatus.PAUSED,
  TaskStatus.COMPLETED,
  TaskStatus.STOPPED,
  TaskStatus.FAILED,
];
/** Whatever has not ended. */
export const ACTIVE = [TaskStatus.PENDING, TaskStatus.RUNNING, TaskStatus.PAUSED];

const STATUS_WORDS = ["", "pending", "running", "paused", "completed", "stopped", "failed"];
const FIELD_WORDS = ["", "start_time", "end_time", "created_at", "updated_at", "window"];
const ORDER_WORDS = ["", "start_time", "task_id", "end_time", "created_at", "updated_at", "name", "progress"];
export const LIMITS = [20, 50, 100, 200];
/** The searches, by their parameters. */
export const SEARCHES = ["name", "customer_id", "task_ids"] as const;

export interface View {
  statuses: TaskStatus[];
  dateField: TaskDateField;
  /** Days of the viewer's zone, as 2026-03-01; both are in the range, either may be empty. */
  from: string;
  to: string;
  search: (typeof SEARCHES)[number];
  text: string;
  orderBy: TaskOrderBy;
  order: SortOrder;
  page: number;
  limit: number;
}

export const START: View = {
  statuses: [],
  dateField: TaskDateField.START_TIME,
  from: "",
  to: "",
  search: "name",
  text: "",
  orderBy: TaskOrderBy.START_TIME,
  order: SortOrder.DESC,
  page: 1,
  limit: 20,
};

export type Route = { kind: "list"; view: View } | { kind: "task"; taskId: string } | { kind: "nowhere" };

/** A number of a word, where the list has it; else `other`. */
function numberOf(words: string[], word: string | null, other: number): number {
  const found = word ? words.indexOf(word) : -1;
  return found > 0 ? found : other;
}

function whole(text: string | null, other: number): number {
  return text && /^[1-9]\d{0,8}$/.test(text) ? Number(text) : other;
}

/** Reads a view from a query string. What makes no sense there is as if it were not there. */
export function viewOf(query: string): View {
  const params = new URLSearchParams(query);
  const words = params.getAll("status").flatMap((value) => value.split(","));
  const wanted = words.flatMap((word) => (word === "active" ? ACTIVE : [numberOf(STATUS_WORDS, word, 0)]));
  const search = SEARCHES.find((name) => params.get(name)) ?? "name";
  const limit = whole(params.get("limit"), START.limit);
  const day = (name: string) => {
    const value = params.get(name) ?? "";
    return dayStart(value) ? value : "";
  };
  return {
    statuses: STATUSES.filter((status) => wanted.includes(status)),
    dateField: numberOf(FIELD_WORDS, params.get("date_field"), START.dateField),
    from: day("start_date"),
    to: day("end_date"),
    search,
    text: [...(params.get(search) ?? "")].slice(0, 256).join(""),
    orderBy: numberOf(ORDER_WORDS, params.get("order_by"), START.orderBy),
    order: params.get("order") === "asc" ? SortOrder.ASC : START.order,
    page: whole(params.get("page"), 1),
    limit: Math.min(limit, 1000),
  };
}

/** The address of a view. */
export function hrefOf(view: View): string {
  const params = new URLSearchParams();
  const put = (name: string, value: string | number, other: string | number) => {
    if (value !== other) {
      params.set(name, String(value));
    }
  };
  put("status", view.statuses.map((status) => STATUS_WORDS[status]).join(","), "");
  put("start_date", view.from, "");
  put("end_date", view.to, "");
  put("date_field", FIELD_WORDS[view.dateField] ?? "", FIELD_WORDS[START.dateField] ?? "");
  put(view.search, view.text, "");
  put("order_by", ORDER_WORDS[view.orderBy] ?? "", ORDER_WORDS[START.orderBy] ?? "");
  put("order", view.order === SortOrder.ASC ? "asc" : "desc", "desc");
  put("page", view.page, 1);
  put("limit", view.limit, START.limit);
  const query = params.toString().replaceAll("%2C", ",");
  return query ? `${BASE}?${query}` : BASE;
}

export function taskHref(taskId: string): string {
  return `${BASE}tasks/${encodeURIComponent(taskId)}`;
}

/** The first instant of a day in the viewer's zone, or undefined where the text is no day. */
export function dayStart(day: string, plusDays = 0): Date | undefined {
  const [, year, month, date] = day.match(/^(\d{4})-(\d{2})-(\d{2})$/)?.map(Number) ?? [];
  if (!year || !month || !date) {
    return undefined;
  }
  const start = new Date(2000, 0, 1);
  start.setFullYear(year, month - 1, date + plusDays);
  // The 31st of a shorter month would be another day.
  return plusDays !== 0 || start.getDate() === date ? start : undefined;
}

/** The part of a view's filter that does not name dates or statuses. */
export function searchOf(view: View): Pick<ListRequest, "name" | "customerId" | "taskIds"> {
  switch (view.text && view.search) {
    case "name":
      return { name: view.text };
    case "customer_id":
      return { customerId: view.text };
    case "task_ids":
      return { taskIds: [view.text] };
    default:
      return {};
  }
}

/** A view's filter without its statuses, in the words of the contract. */
export function filterOf(view: View): Pick<ListRequest, "dateField" | "dateRange" | "name" | "customerId" | "taskIds"> {
  const start = dayStart(view.from);
  const end = dayStart(view.to, 1);
  const dateRange = (start || end) && {
    start: start && timestampFromDate(start),
    end: end && timestampFromDate(end),
  };
  return { ...searchOf(view), dateField: view.dateField, dateRange };
}

/**
 * Whether a change of a task that is on no row can concern the list. A task's id and its creation stay as they are; all
 * else may have been otherwise before the change.
 */
export function canBeIn(view: View, taskId: string, task: OutboundTask | undefined): boolean {
  if (view.text && view.search === "task_ids" && view.text !== taskId) {
    return false;
  }
  const created = view.dateField === TaskDateField.CREATED_AT && task?.createdAt && timestampDate(task.createdAt);
  const [start, end] = [dayStart(view.from), dayStart(view.to, 1)];
  return !created || ((!start || created >= start) && (!end || created < end));
}

function routeOf(url: Location): Route {
  const rest = url.pathname.startsWith(BASE) ? url.pathname.slice(BASE.length) : url.pathname;
  if (rest === "" || rest === "/console") {
    return { kind: "list", view: viewOf(url.search) };
  }
  const id = rest.match(/^tasks\/([^/]+)$/)?.[1];
  try {
    return id ? { kind: "task", taskId: decodeURIComponent(id) } : { kind: "nowhere" };
  } catch {
    return { kind: "nowhere" }; // the percent signs are not of an encoding
  }
}

export const route = store<Route>(routeOf(location));
/** The list that was looked at last: where a task's page leads back to. */
export const lastList = store(route.get().kind === "list" ? location.pathname + location.search : BASE);

function arrive(): void {
  route.set(routeOf(location));
  if (route.get().kind === "list") {
    lastList.set(location.pathname + location.search);
  }
}

addEventListener("popstate", arrive);

/** Goes to an address of the console; `replace` where going back should not lead to the one that is left. */
export function go(href: string, replace = false): void {
  if (href !== location.pathname + location.search) {
    history[replace ? "replaceState" : "pushState"](null, "", href);
    arrive();
  }
}

/** For links: follows a plain click here, and leaves a new tab or window to the browser. */
export function follow(event: MouseEvent & { currentTarget: HTMLAnchorElement }): void {
  if (event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey) {
    event.preventDefault();
    const { pathname, search } = event.currentTarget;
    go(pathname + search);
  }
}
