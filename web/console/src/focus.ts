// Moves the focus when the focused row disappears: to the next row, or to the heading if there is none. Otherwise the
// focus would return to the top of the page, and users of a screen reader would lose their position.

import { t } from "./i18n";
import { store } from "./store";

/** A message for screen readers that is not visible. */
export const aside = store("");

/** A row of the list: the id of its link, the task's name, and its index. */
export interface Row {
  id: string;
  name: string;
  index: number;
}

function rows(): HTMLTableRowElement[] {
  return [...document.querySelectorAll<HTMLTableRowElement>("table.tasks tbody tr")];
}

/** The row that contains an element. */
export function rowOf(element: Element | null): Row | undefined {
  const row = element?.closest<HTMLTableRowElement>("table.tasks tbody tr");
  const link = row?.querySelector<HTMLElement>(".c-name a");
  return row && link ? { id: link.id, name: link.textContent ?? "", index: rows().indexOf(row) } : undefined;
}

/** The row that contains the focus. */
export function focusedRow(): Row | undefined {
  return rowOf(document.activeElement);
}

/** Focuses a row, or the one that follows it if it is gone, or the heading if there is none. */
export function focusRow(row: Row): void {
  const same = document.getElementById(row.id);
  if (same) {
    return same.focus();
  }
  const left = rows();
  const next = left[Math.min(row.index, left.length - 1)]?.querySelector<HTMLElement>(".c-name a");
  (next ?? document.querySelector<HTMLElement>("h1"))?.focus();
  aside.set(t("left", { name: row.name }));
}

/** After rendering: if the focus was in `row` and is lost now, moves it on. */
export function keepFocus(row: Row | undefined): void {
  const now = document.activeElement;
  if (row && (!now || now === document.body)) {
    focusRow(row);
  }
}
