// The state of the page in its address. The words are those of the service's HTTP API.

import {
  type ListRequest, type OutboundTask, SortOrder, TargetState, TaskAttention, TaskDateField, TaskOrderBy, TaskStatus, timestampDate, timestampFromDate,
} from "@outbound-tasks/client";
import { keptLimit } from "./kept";
import { validTerms } from "./labels";
import { store } from "./store";
import { hourStart, isDay, isZone, linkZone, ownZone, zone } from "./zone";

export const BASE = "/console/";

export const STATUSES = [
  TaskStatus.PENDING,
  TaskStatus.RUNNING,
  TaskStatus.PAUSED,
  TaskStatus.COMPLETED,
  TaskStatus.STOPPED,
  TaskStatus.FAILED,
];
/** The statuses of tasks that have not ended. */
export const ACTIVE = [TaskStatus.PENDING, TaskStatus.RUNNING, TaskStatus.PAUSED];

/** All kinds of tasks that need a person. */
export const ATTENTION = [
  TaskAttention.OVERDUE,
  TaskAttention.STALLED,
  TaskAttention.FINISHED_UNENDED,
  TaskAttention.UNSTARTED,
  TaskAttention.EMPTY,
];

const ATTENTION_WORDS = ["", "overdue", "stalled", "finished_unended", "unstarted", "empty"];
const STATUS_WORDS = ["", "pending", "running", "paused", "completed", "stopped", "failed"];
export const STATE_WORDS = ["", "pending", "answered", "no_answer", "busy", "failed", "skipped"];
const FIELD_WORDS = ["", "start_time", "end_time", "created_at", "updated_at", "window"];
const ORDER_WORDS = ["", "start_time", "task_id", "end_time", "created_at", "updated_at", "name", "progress"];
export const LIMITS = [20, 50, 100, 200];
/** The kinds of search, by their parameters. */
export const SEARCHES = ["name", "customer_id", "task_ids"] as const;

/** The maximum length of the text of each kind of search. */
export const MOST_TEXT = { name: 256, customer_id: 256, task_ids: 6000 };
/** The maximum number of ids in a search. */
const MOST_IDS = 1000;

export interface View {
  statuses: TaskStatus[];
  /** Only tasks that need a person for one of these reasons; empty for all tasks. */
  attention: TaskAttention[];
  /** Only tasks with all of these labels, each `key` or `key=value`. */
  labels: string[];
  dateField: TaskDateField;
  /**
   * Days in the view's time zone, such as 2026-03-01; both are included. With an hour, such as 2026-03-01T09:00, `to` is the
   * first instant that is not included. Either may be empty.
   */
  from: string;
  to: string;
  /** The zone of these days; empty for the viewer's own. */
  zone: string;
  search: (typeof SEARCHES)[number];
  text: string;
  orderBy: TaskOrderBy;
  order: SortOrder;
  page: number;
  limit: number;
  /** The columns that can be hidden and are shown; undefined for those that the browser keeps. */
  columns?: string[] | undefined;
}

export const START: View = {
  statuses: [],
  attention: [],
  labels: [],
  dateField: TaskDateField.START_TIME,
  from: "",
  to: "",
  zone: "",
  search: "name",
  text: "",
  orderBy: TaskOrderBy.START_TIME,
  order: SortOrder.DESC,
  page: 1,
  limit: 20,
};

/** Which targets a task's page shows. */
export interface TargetView {
  state: TargetState;
  /** The only customer to show; empty for all. */
  customerId: string;
  /** The number of the page and its token. */
  page: number;
  token: string;
}

export const ALL_TARGETS: TargetView = { state: TargetState.UNSPECIFIED, customerId: "", page: 1, token: "" };

export type Route =
  | { kind: "list"; view: View }
  | { kind: "wall"; view: View }
  | { kind: "task"; taskId: string; targets: TargetView }
  | { kind: "nowhere" };

/** The number of a word in the list; `other` if it is not there. */
function numberOf(words: string[], word: string | null, other: number): number {
  const found = word ? words.indexOf(word) : -1;
  return found > 0 ? found : other;
}

function whole(text: string | null, other: number): number {
  return text && /^[1-9]\d{0,8}$/.test(text) ? Number(text) : other;
}

/** Reads a view from a query string. Invalid values are ignored. */
export function viewOf(query: string): View {
  const params = new URLSearchParams(query);
  const words = params.getAll("status").flatMap((value) => value.split(","));
  const wanted = words.flatMap((word) => (word === "active" ? ACTIVE : [numberOf(STATUS_WORDS, word, 0)]));
  const kinds = params.getAll("attention").flatMap((value) => value.split(","));
  const search = SEARCHES.find((name) => params.get(name)) ?? "name";
  const limit = whole(params.get("limit"), keptLimit() ?? START.limit);
  const day = (name: string) => {
    const value = params.get(name) ?? "";
    return isDay(dayIn(value)) && /^.{10}(T([01]\d|2[0-3]):00)?$/.test(value) ? value : "";
  };
  const [from, to] = [day("start_date"), day("end_date")];
  const named = params.get("time_zone") ?? "";
  return {
    statuses: STATUSES.filter((status) => wanted.includes(status)),
    attention: ATTENTION.filter((kind) => kinds.includes(ATTENTION_WORDS[kind] ?? "")),
    labels: validTerms(params.getAll("label")),
    dateField: numberOf(FIELD_WORDS, params.get("date_field"), START.dateField),
    from,
    to,
    zone: (from || to) && isZone(named) ? named : "",
    search,
    text: [...params.getAll(search).join(",")].slice(0, MOST_TEXT[search]).join(""),
    orderBy: numberOf(ORDER_WORDS, params.get("order_by"), START.orderBy),
    order: params.get("order") === "asc" ? SortOrder.ASC : START.order,
    page: whole(params.get("page"), 1),
    limit: Math.min(limit, 1000),
    columns: params.get("columns")?.split(",").filter((word) => /^[a-z_]+$/.test(word)),
  };
}

/** The address of a view. The list of all tasks is named too, because the bare address is the start page. */
export function hrefOf(view: View): string {
  const params = new URLSearchParams();
  const put = (name: string, value: string | number, other: string | number) => {
    if (value !== other) {
      params.set(name, String(value));
    }
  };
  put("status", view.statuses.map((status) => STATUS_WORDS[status]).join(","), "");
  put("attention", view.attention.map((kind) => ATTENTION_WORDS[kind]).join(","), "");
  for (const label of view.labels) {
    params.append("label", label);
  }
  put("start_date", view.from, "");
  put("end_date", view.to, "");
  put("date_field", FIELD_WORDS[view.dateField] ?? "", FIELD_WORDS[START.dateField] ?? "");
  put(view.search, view.text, "");
  put("order_by", ORDER_WORDS[view.orderBy] ?? "", ORDER_WORDS[START.orderBy] ?? "");
  put("order", view.order === SortOrder.ASC ? "asc" : "desc", "desc");
  put("page", view.page, 1);
  put("limit", view.limit, keptLimit() === undefined ? START.limit : 0);
  put("time_zone", view.from || view.to ? view.zone || ownZone() : "", "");
  if (view.columns) {
    params.set("columns", view.columns.join(","));
  }
  const query = params.toString().replaceAll("%2C", ",");
  return `${BASE}?${query || "status="}`;
}

/** The address of the wallboard with a view's filter. */
export function wallHref(view: View): string {
  return hrefOf({ ...view, page: 1 }).replace(BASE, `${BASE}wall`);
}

/** The parameters of the service's HTTP form that list a view. Dates are days of the console's zone, named by `isZoned`. */
export function queryOf(view: View, isZoned = false): URLSearchParams {
  const params = new URLSearchParams();
  const put = (name: string, value: string | undefined) => value && params.set(name, value);
  put("status", view.statuses.map((status) => STATUS_WORDS[status]).join(","));
  put("attention", view.attention.map((kind) => ATTENTION_WORDS[kind]).join(","));
  for (const label of view.labels) {
    params.append("label", label);
  }
  // The service reads days in a zone, but hours as instants.
  const [start, end] = boundsOf(view);
  put("start_date", hourIn(view.from) === undefined ? view.from : start?.toISOString());
  put("end_date", hourIn(view.to) === undefined ? view.to : end?.toISOString());
  put("date_field", view.from || view.to ? FIELD_WORDS[view.dateField] : "");
  if (view.search === "task_ids" && view.text) {
    for (const id of idsOf(view.text)) {
      params.append("task_ids", id);
    }
  } else {
    put(view.search, view.text);
  }
  put("order_by", ORDER_WORDS[view.orderBy]);
  put("order", view.order === SortOrder.ASC ? "asc" : "desc");
  put("page", String(view.page));
  put("limit", String(view.limit));
  put("time_zone", isZoned && (view.from || view.to) ? zone() : "");
  return params;
}

export function taskHref(taskId: string, { state, customerId, page, token }: TargetView = ALL_TARGETS): string {
  const params = new URLSearchParams();
  if (state !== TargetState.UNSPECIFIED) {
    params.set("state", STATE_WORDS[state] ?? "");
  }
  if (customerId) {
    params.set("customer_id", customerId);
  }
  if (token) {
    params.set("page", String(page));
    params.set("page_token", token);
  }
  const query = params.toString();
  return `${BASE}tasks/${encodeURIComponent(taskId)}${query ? `?${query}` : ""}`;
}

function targetsOf(query: string): TargetView {
  const params = new URLSearchParams(query);
  const token = params.get("page_token") ?? "";
  return {
    state: numberOf(STATE_WORDS, params.get("state"), TargetState.UNSPECIFIED),
    customerId: [...(params.get("customer_id") ?? "")].slice(0, 128).join(""),
    page: token ? whole(params.get("page"), 2) : 1,
    token,
  };
}

/**
 * The task ids in a text: separated by commas, semicolons or line breaks. An id may contain these characters and blanks, so
 * the whole text and the words between blanks are looked for too; an id that no task has finds nothing.
 */
export function idsOf(text: string): string[] {
  const parts = text.split(/[,;，；、\n\t]+/).map((part) => part.trim());
  const words = parts.flatMap((part) => part.split(/\s+/));
  const ids = [...new Set([text.trim(), ...parts, ...words])].filter((id) => id !== "" && [...id].length <= 128);
  return ids.slice(0, MOST_IDS);
}

/** Whether a view is a page of the tasks that run now, whatever its other filters. */
export function isRunning({ statuses, attention }: View): boolean {
  return statuses.join() === String(TaskStatus.RUNNING) && attention.length === 0;
}

/** The part of a view's filter that is neither a date nor a status. */
export function searchOf(view: View): Pick<ListRequest, "name" | "customerId" | "taskIds" | "label"> {
  const { labels: label, text } = view;
  switch (text && view.search) {
    case "name":
      return { label, name: text };
    case "customer_id":
      return { label, customerId: text };
    case "task_ids":
      return { label, taskIds: idsOf(text) };
    default:
      return { label };
  }
}

/** The view with one more label in its filter. */
export function labelled(view: View, term: string): View {
  return { ...view, labels: validTerms([...view.labels, term]), page: 1 };
}

/** The day of a bound of a view's dates, and its hour; undefined if the whole day is meant. */
export function dayIn(bound: string): string {
  return bound.slice(0, 10);
}

export function hourIn(bound: string): number | undefined {
  return bound.length > 10 ? Number(bound.slice(11, 13)) : undefined;
}

/** The first instant of a view's dates and the one after the last; undefined for no bound. */
function boundsOf({ from, to }: View): [start: Date | undefined, end: Date | undefined] {
  const hour = hourIn(to);
  return [hourStart(dayIn(from), 0, hourIn(from)), hour === undefined ? hourStart(to, 1) : hourStart(dayIn(to), 0, hour)];
}

/** A view's filter without its statuses, as fields of a request. */
export function filterOf(view: View): Pick<ListRequest, "attention" | "label" | "dateField" | "dateRange" | "name" | "customerId" | "taskIds"> {
  const [start, end] = boundsOf(view);
  const dateRange = (start || end) && {
    start: start && timestampFromDate(start),
    end: end && timestampFromDate(end),
  };
  return { ...searchOf(view), attention: view.attention, dateField: view.dateField, dateRange };
}

/**
 * Whether a change of a task that is not on the page can affect the list. The task's id and creation time never change;
 * all other fields may have been different before the change.
 */
export function canBeIn(view: View, taskId: string, task: OutboundTask | undefined): boolean {
  if (view.text && view.search === "task_ids" && !idsOf(view.text).includes(taskId)) {
    return false;
  }
  if (view.dateField !== TaskDateField.CREATED_AT || !task?.createdAt) {
    return true;
  }
  const created = timestampDate(task.createdAt);
  const [start, end] = boundsOf(view);
  return (!start || created >= start) && (!end || created < end);
}

function routeOf(url: Location): Route {
  const rest = url.pathname.startsWith(BASE) ? url.pathname.slice(BASE.length) : url.pathname;
  if (rest === "" || rest === "/console") {
    return { kind: "list", view: viewOf(url.search) };
  }
  if (rest === "wall") {
    return { kind: "wall", view: viewOf(url.search) };
  }
  const id = rest.match(/^tasks\/([^/]+)$/)?.[1];
  try {
    return id ? { kind: "task", taskId: decodeURIComponent(id), targets: targetsOf(url.search) } : { kind: "nowhere" };
  } catch {
    return { kind: "nowhere" }; // the percent signs are not an encoding
  }
}

/** The start page: what runs now. The bare address of the console becomes its address, so that a reload and a link keep it. */
function start(): void {
  if (location.pathname === BASE && location.search === "") {
    history.replaceState(history.state, "", hrefOf({ ...viewOf(""), statuses: [TaskStatus.RUNNING] }));
  }
}

/** The route of the address. The days of a list are in the zone of the address; the pages of its tasks keep that zone. */
function located(): Route {
  const now = routeOf(location);
  if ("view" in now) {
    linkZone.set(now.view.zone);
  }
  return now;
}

start();
export const route = store<Route>(located());
/** The list that was shown last; the link "back" on a task's page leads there. */
export const lastList = store(route.get().kind === "list" ? location.pathname + location.search : BASE);

function arrive(): void {
  start();
  route.set(located());
  if (route.get().kind === "list") {
    lastList.set(location.pathname + location.search);
  }
}

addEventListener("popstate", arrive);

/**
 * Goes to an address of the console; `replace` if the back button should skip the current one. Another page or another list
 * begins at its top; another page of a task's targets does not.
 */
export function go(href: string, replace = false, state: unknown = null): void {
  const from = location.pathname;
  if (href !== from + location.search) {
    history[replace ? "replaceState" : "pushState"](state, "", href);
    arrive();
    if (!replace && (location.pathname !== from || route.get().kind === "list")) {
      scrollTo(0, 0);
    }
  }
}

/** Shows the days of the list, and all times, in the viewer's own zone. */
export function takeOwnZone(): void {
  const now = route.get();
  if (now.kind === "list") {
    go(hrefOf({ ...now.view, zone: "" }), true, history.state);
  } else {
    linkZone.set("");
  }
}

/** For links: handles a plain click here, and leaves new tabs and windows to the browser. */
export function follow(event: MouseEvent & { currentTarget: HTMLAnchorElement }): void {
  if (event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey) {
    event.preventDefault();
    const { pathname, search } = event.currentTarget;
    go(pathname + search);
  }
}
