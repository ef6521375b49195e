// Which tasks the list shows: statuses with their counts, search, dates, order.

import { SortOrder, TaskDateField, type TaskStatusCount } from "@outbound-tasks/client";
import { useEffect, useRef, useState } from "preact/hooks";
import { dayOf, number, t, tn } from "./i18n";
import { Icon } from "./parts";
import { ACTIVE, follow, go, hrefOf, SEARCHES, START, STATUSES, type View } from "./route";
import { COLUMNS } from "./table";

/** How long typing must rest before it is searched for. */
const TYPING_MS = 350;

export function Tabs({ view, counts }: { view: View; counts: TaskStatusCount[] }) {
  const count = (statuses: number[]) => {
    const found = counts.filter(({ status }) => statuses.includes(status));
    return found.length > 0 ? number(found.reduce((sum, { count }) => sum + count, 0)) : "";
  };
  const same = (statuses: number[]) => statuses.join() === view.statuses.join();
  const isTab = same([]) || same(ACTIVE);
  const tab = (statuses: number[], words: string, status: number) => {
    const isChosen = same(statuses) || (!isTab && status > 0 && view.statuses.includes(status));
    return (
      <li key={words}>
        <a
          href={hrefOf({ ...view, statuses, page: 1 })}
          onClick={follow}
          class={`tab s${status}`}
          aria-current={isChosen ? "true" : undefined}
        >
          {words} <span class="count">{count(statuses.length > 0 ? statuses : STATUSES)}</span>
        </a>
      </li>
    );
  };
  return (
    <nav aria-label={t("status")} class="tabs">
      <ul>
        {tab([], t("all"), 0)}
        {tab(ACTIVE, t("active"), 0)}
        {STATUSES.map((status) => tab([status], tn("status", status), status))}
      </ul>
    </nav>
  );
}

export function Filters({ view }: { view: View }) {
  const change = (part: Partial<View>, replace = false) => go(hrefOf({ ...view, page: 1, ...part }), replace);
  const days = (count: number) => {
    const today = new Date();
    const last = new Date(today);
    last.setDate(today.getDate() + count - 1);
    change({ from: dayOf(today), to: dayOf(last) });
  };
  const isFiltered = view.statuses.length > 0 || view.text !== "" || view.from !== "" || view.to !== "";
  return (
    <form class="filters" role="search" aria-label={t("filters")} onSubmit={(event) => event.preventDefault()}>
      <div class="group search">
        <select
          aria-label={t("search")}
          value={view.search}
          onChange={(event) => change({ search: event.currentTarget.value as View["search"] }, view.text === "")}
        >
          {SEARCHES.map((search) => (
            <option key={search} value={search}>
              {t(`search_${search}`)}
            </option>
          ))}
        </select>
        <Search view={view} change={change} />
      </div>
      <div class="group dates">
        <select
          aria-label={t("dateField")}
          value={view.dateField}
          onChange={(event) => change({ dateField: Number(event.currentTarget.value) })}
        >
          {[TaskDateField.START_TIME, TaskDateField.END_TIME, TaskDateField.CREATED_AT, TaskDateField.UPDATED_AT, TaskDateField.WINDOW].map(
            (field) => (
              <option key={field} value={field}>
                {tn("date", field)}
              </option>
            ),
          )}
        </select>
        <input
          type="date"
          aria-label={t("from")}
          value={view.from}
          max={view.to || "9999-12-31"}
          onChange={(event) => change({ from: event.currentTarget.value })}
        />
        <span aria-hidden="true">–</span>
        <input
          type="date"
          aria-label={t("to")}
          value={view.to}
          min={view.from}
          max="9999-12-31"
          onChange={(event) => change({ to: event.currentTarget.value })}
        />
        <button type="button" onClick={() => days(1)}>
          {t("today")}
        </button>
        <button type="button" onClick={() => days(7)}>
          {t("week")}
        </button>
      </div>
      <div class="group sort">
        <select
          aria-label={t("sort")}
          value={view.orderBy}
          onChange={(event) => change({ orderBy: Number(event.currentTarget.value) })}
        >
          {COLUMNS.map(({ word, order }) =>
            order === undefined ? null : (
              <option key={word} value={order}>
                {t(word)}
              </option>
            ),
          )}
        </select>
        <button
          type="button"
          onClick={() => change({ order: view.order === SortOrder.ASC ? SortOrder.DESC : SortOrder.ASC })}
        >
          {view.order === SortOrder.ASC ? `▲ ${t("ascending")}` : `▼ ${t("descending")}`}
        </button>
      </div>
      {isFiltered && (
        <button
          type="button"
          class="clear"
          onClick={() => go(hrefOf({ ...START, orderBy: view.orderBy, order: view.order, limit: view.limit }))}
        >
          {t("clear")}
        </button>
      )}
    </form>
  );
}

/** The text searched for. It is searched for when typing rests, and the address keeps one step back for all of it. */
function Search({ view, change }: { view: View; change: (part: Partial<View>, replace: boolean) => void }) {
  const [text, setText] = useState(view.text);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  // Going back, or clearing the filters, changes the text from outside.
  useEffect(() => setText(view.text), [view.text]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const latest = useRef(change);
  latest.current = change;
  const look = (value: string, wait: number) => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => latest.current({ text: value.trim() }, view.text !== ""), wait);
  };
  return (
    <span class="box">
      <Icon name="search" />
      <input
        type="search"
        aria-label={t(`search_${view.search}`)}
        placeholder={t(`search_${view.search}`)}
        value={text}
        maxLength={view.search === "name" ? 256 : 128}
        spellcheck={false}
        autocomplete="off"
        onInput={(event) => {
          setText(event.currentTarget.value);
          if (!event.isComposing) {
            look(event.currentTarget.value, TYPING_MS);
          }
        }}
        // An input method ends its composition after the last input event.
        onCompositionEnd={(event) => look(event.currentTarget.value, TYPING_MS)}
        onKeyDown={(event) => {
          if (event.key === "Enter" && !event.isComposing) {
            look(event.currentTarget.value, 0);
          }
        }}
      />
    </span>
  );
}
