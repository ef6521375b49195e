// What the browser keeps of the viewer's choices: the number of rows and the columns. Keys are never kept on disk.

import { store } from "./store";

const LIMIT = "outbound-tasks.limit";
const HIDDEN = "outbound-tasks.hidden";

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
