// The controls of the list: statuses with their counts, search, dates, order.

import { SortOrder, TaskDateField, type TaskStatusCount } from "@outbound-tasks/client";
import { useEffect, useRef, useState } from "preact/hooks";
import { dayOf, number, t, tn } from "./i18n";
import { Icon } from "./parts";
import { ACTIVE, follow, go, hrefOf, SEARCHES, START, STATUSES, type View } from "./route";
import { COLUMNS } from "./table";

/** The search starts when typing has paused for this long, in milliseconds. */
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
    // Filter by the time in which tasks run: a task that began yesterday and still runs is one of today's.
    change({ dateField: TaskDateField.WINDOW, from: dayOf(today), to: dayOf(last) });
  };
  // The address contains the kind of a search only together with its text; without a text the kind is only known here.
  const [search, setSearch] = useState(view.search);
  useEffect(() => {
    if (view.text !== "") {
      setSearch(view.search);
    }
  }, [view.search, view.text]);
  const isFiltered = view.statuses.length > 0 || view.text !== "" || view.from !== "" || view.to !== "";
  return (
    <form class="filters" role="search" aria-label={t("filters")} onSubmit={(event) => event.preventDefault()}>
      <div class="group search">
        <select
          aria-label={t("search")}
          value={search}
          onChange={(event) => {
            const chosen = event.currentTarget.value as View["search"];
            setSearch(chosen);
            change({ search: chosen });
          }}
        >
          {SEARCHES.map((kind) => (
            <option key={kind} value={kind}>
              {t(`search_${kind}`)}
            </option>
          ))}
        </select>
        <Search search={search} searched={view.text} look={(text) => change({ search, text }, view.text !== "")} />
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
        <button type="button" title={t("todayHelp")} onClick={() => days(1)}>
          {t("today")}
        </button>
        <button type="button" title={t("weekHelp")} onClick={() => days(7)}>
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

interface SearchProps {
  search: View["search"];
  /** The current text of the search. */
  searched: string;
  look: (text: string) => void;
}

/** The search field. It searches when typing pauses, and a whole text is one step of the browser's history. */
function Search({ search, searched, look }: SearchProps) {
  const [text, setText] = useState(searched);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  // The text changes from outside when the viewer goes back or clears the filters.
  useEffect(() => setText(searched), [searched]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const latest = useRef(look);
  latest.current = look;
  const wait = (value: string, ms: number) => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => latest.current(value.trim()), ms);
  };
  return (
    <span class="box">
      <Icon name="search" />
      <input
        type="search"
        aria-label={t(`search_${search}`)}
        placeholder={t(`search_${search}`)}
        value={text}
        maxLength={search === "name" ? 256 : 128}
        spellcheck={false}
        autocomplete="off"
        onInput={(event) => {
          setText(event.currentTarget.value);
          if (!event.isComposing) {
            wait(event.currentTarget.value, TYPING_MS);
          }
        }}
        // An input method ends its composition after the last input event.
        onCompositionEnd={(event) => wait(event.currentTarget.value, TYPING_MS)}
        onKeyDown={(event) => {
          if (event.key === "Enter" && !event.isComposing) {
            wait(event.currentTarget.value, 0);
          }
        }}
      />
    </span>
  );
}
