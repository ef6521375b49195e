// What the browser keeps of the viewer's choices: the number of rows, the columns, and for each tenant the saved views
// and the watched tasks. Keys are never kept on disk.

import { store } from "./store";

const LIMIT = "outbound-tasks.limit";
const HIDDEN = "outbound-tasks.hidden";
const VIEWS = "outbound-tasks.views.";
/** The maximum number of saved views of a tenant. */
export const MOST_VIEWS = 50;
const WATCHED = "outbound-tasks.watched.";

/** The number of rows that a list has if its address does not say; undefined if the viewer never chose one. */
export function keptLimit(): number | undefined {
  const limit = Number(localStorage.getItem(LIMIT));
  return limit >= 1 && limit <= 1000 ? limit : undefined;
}

export function keepLimit(limit: number): void {
  localStorage.setItem(LIMIT, String(limit));
}

/** The names of the columns that are not shown. */
export const hidden = store<readonly string[]>((localStorage.getItem(HIDDEN) ?? "labels").split(",").filter(Boolean));

export function hide(columns: readonly string[]): void {
  localStorage.setItem(HIDDEN, columns.join(","));
  hidden.set(columns);
}

/** A view of the list: its name, and the query of its address. */
export interface SavedView {
  name: string;
  query: string;
}

/** The saved views of a tenant, in the order in which they were saved. */
export function keptViews(tenant: string): SavedView[] {
  const kept: unknown = parsed(localStorage.getItem(VIEWS + tenant));
  const isView = (item: Partial<SavedView> | null) => typeof item?.name === "string" && typeof item.query === "string";
  return Array.isArray(kept) ? kept.filter(isView) : [];
}

export function keepViews(tenant: string, views: SavedView[]): void {
  localStorage.setItem(VIEWS + tenant, JSON.stringify(views));
}

function parsed(json: string | null): unknown {
  try {
    return JSON.parse(json ?? "[]");
  } catch {
    return []; // something else wrote it
  }
}

/** The ids of the tasks of a tenant whose end the viewer wants to hear of. */
export function keptWatched(tenant: string): string[] {
  const ids: unknown = parsed(localStorage.getItem(WATCHED + tenant));
  return Array.isArray(ids) ? ids.filter((id) => typeof id === "string") : [];
}

/** Keeps these ids, or nothing if there are none. */
export function keepWatched(tenant: string, ids: string[]): void {
  if (ids.length > 0) {
    localStorage.setItem(WATCHED + tenant, JSON.stringify(ids));
  } else {
    localStorage.removeItem(WATCHED + tenant);
  }
}
