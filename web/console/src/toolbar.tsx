// The controls of the list: statuses with their counts, search, dates, order.

import { SortOrder, type TaskAttention, type TaskAttentionCount, type TaskStatusCount } from "@outbound-tasks/client";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Dates } from "./dates";
import { number, t, tn } from "./i18n";
import { LabelFilter } from "./label-parts";
import { Icon } from "./parts";
import { ACTIVE, ATTENTION, follow, go, hrefOf, MOST_TEXT, SEARCHES, START, STATUSES, type View } from "./route";
import { COLUMNS } from "./table";

/** The search starts when typing has paused for this long, in milliseconds. */
const TYPING_MS = 350;

interface TabsProps {
  view: View;
  counts: TaskStatusCount[];
  /** The number of tasks that need a person; undefined until it is known. */
  needy: number | undefined;
}

export function Tabs({ view, counts, needy }: TabsProps) {
  const list = useRef<HTMLUListElement>(null);
  const count = (statuses: number[]) => {
    const found = counts.filter(({ status }) => statuses.includes(status));
    return found.length > 0 ? number(found.reduce((sum, { count }) => sum + count, 0)) : "";
  };
  const same = (statuses: number[]) => statuses.join() === view.statuses.join();
  const isTab = same([]) || same(ACTIVE);
  const isOfStatuses = (statuses: number[], status: number) => same(statuses) || (!isTab && status > 0 && view.statuses.includes(status));
  const tab = (statuses: number[], words: string, status: number) => {
    const isChosen = view.attention.length === 0 && isOfStatuses(statuses, status);
    return (
      <li key={words}>
        <a
          href={hrefOf({ ...view, statuses, attention: [], page: 1 })}
          onClick={follow}
          class={`tab s${status}`}
          aria-current={isChosen ? "true" : undefined}
        >
          {words} <span class="count">{count(statuses.length > 0 ? statuses : STATUSES)}</span>
        </a>
      </li>
    );
  };
  // On a narrow screen the tabs are scrolled so that the chosen one is seen. The counts change their widths.
  useLayoutEffect(() => {
    const chosen = list.current?.querySelector<HTMLElement>("[aria-current]");
    if (list.current && chosen) {
      list.current.scrollLeft = chosen.offsetLeft - (list.current.clientWidth - chosen.offsetWidth) / 2;
    }
  }, [view.statuses.join(), view.attention.length, counts.length > 0, needy]);
  return (
    <nav aria-label={t("status")} class="tabs">
      <ul ref={list}>
        {tab([], t("all"), 0)}
        {tab(ACTIVE, t("active"), 0)}
        <li>
          <a
            href={hrefOf({ ...view, statuses: [], attention: ATTENTION, page: 1 })}
            onClick={follow}
            class={needy ? "tab needy" : "tab"}
            title={t("attentionHelp")}
            aria-current={view.attention.length > 0 ? "true" : undefined}
          >
            {t("attention")} <span class="count">{needy === undefined ? "" : number(needy)}</span>
          </a>
        </li>
        {STATUSES.map((status) => tab([status], tn("status", status), status))}
      </ul>
    </nav>
  );
}

/** The reasons for which tasks need a person, with their numbers. */
export function Kinds({ view, counts }: { view: View; counts: TaskAttentionCount[] }) {
  const kind = (kinds: TaskAttention[], words: string, count?: number) => (
    <a
      key={words}
      class="button"
      href={hrefOf({ ...view, attention: kinds, page: 1 })}
      onClick={follow}
      aria-current={kinds.join() === view.attention.join() ? "true" : undefined}
    >
      {words} {count !== undefined && <strong>{number(count)}</strong>}
    </a>
  );
  return (
    <nav class="kinds" aria-label={t("attention")}>
      <strong aria-hidden="true">{t("attention")}</strong>
      {kind(ATTENTION, t("all"))}
      {ATTENTION.map((one) => kind([one], tn("attention", one), counts.find(({ attention }) => attention === one)?.count))}
    </nav>
  );
}

export function Filters({ view }: { view: View }) {
  const change = (part: Partial<View>, replace = false) => go(hrefOf({ ...view, page: 1, ...part }), replace);
  // The address contains the kind of a search only together with its text; without a text the kind is only known here.
  const [search, setSearch] = useState(view.search);
  useEffect(() => {
    if (view.text !== "") {
      setSearch(view.search);
    }
  }, [view.search, view.text]);
  // On a narrow screen, dates and order are hidden until they are asked for.
  const [isOpen, setOpen] = useState(false);
  const isDated = view.from !== "" || view.to !== "";
  const isFiltered = view.statuses.length > 0 || view.attention.length > 0 || view.labels.length > 0 || view.text !== "" || isDated;
  return (
    <form
      class={isOpen ? "filters open" : "filters"}
      role="search"
      aria-label={t("filters")}
      onSubmit={(event) => event.preventDefault()}
    >
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
        <button type="button" class="toggle" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          {t("filters")}
          {(isDated || view.labels.length > 0 || view.text !== "") && " ●"}
        </button>
      </div>
      <Dates view={view} change={change} />
      <LabelFilter view={view} change={change} />
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
          onClick={() => go(hrefOf({ ...START, orderBy: view.orderBy, order: view.order, limit: view.limit, columns: view.columns }))}
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
        placeholder={t(`exact_${search}`)}
        title={t(`exact_${search}`)}
        value={text}
        maxLength={MOST_TEXT[search]}
        spellcheck={false}
        autocomplete="off"
        onInput={(event) => {
          setText(event.currentTarget.value);
          if (!event.isComposing) {
            wait(event.currentTarget.value, TYPING_MS);
          }
        }}
        // The lines of a list of ids would become one word.
        onPaste={(event) => {
          const pasted = event.clipboardData?.getData("text/plain").trim() ?? "";
          if (search === "task_ids" && /[\r\n\t]/.test(pasted)) {
            event.preventDefault();
            const { value, selectionStart, selectionEnd } = event.currentTarget;
            const ids = pasted.split(/[\r\n\t]+/).map((id) => id.trim()).filter(Boolean);
            const whole = value.slice(0, selectionStart ?? 0) + ids.join(", ") + value.slice(selectionEnd ?? 0);
            setText(whole);
            wait(whole, 0);
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
