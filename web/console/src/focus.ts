// Where the focus goes when what has it goes away: to the next row, or to the heading where there is none. Without that
// it falls back to the beginning of the page, and whoever cannot see the list has to find the way again.

import { t } from "./i18n";
import { store } from "./store";

/** Told to those who hear the page, and shown to nobody. */
export const aside = store("");

/** A row of the list: the id of its link, its name and its number. */
export interface Row {
  id: string;
  name: string;
  index: number;
}

function rows(): HTMLTableRowElement[] {
  return [...document.querySelectorAll<HTMLTableRowElement>("table.tasks tbody tr")];
}

/** The row that an element is in. */
export function rowOf(element: Element | null): Row | undefined {
  const row = element?.closest<HTMLTableRowElement>("table.tasks tbody tr");
  const link = row?.querySelector<HTMLElement>(".c-name a");
  return row && link ? { id: link.id, name: link.textContent ?? "", index: rows().indexOf(row) } : undefined;
}

/** The row that has the focus now. */
export function focusedRow(): Row | undefined {
  return rowOf(document.activeElement);
}

/** Gives the focus to a row, or to the one that took its place; to the heading where there is none. */
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

/** After drawing: where the focus was in a row and is nowhere now, moves it on. */
export function keepFocus(row: Row | undefined): void {
  const now = document.activeElement;
  if (row && (!now || now === document.body)) {
    focusRow(row);
  }
}
