// The page numbers of a list of any length.

import type { Timestamp } from "@outbound-tasks/client";
import { useEffect, useState } from "preact/hooks";
import { clock, dateOf, t } from "./i18n";
import { keepLimit } from "./kept";
import { Icon } from "./parts";
import { follow, go, hrefOf, LIMITS, type View } from "./route";
import type { Word } from "./words";

export function pagesOf(total: number, limit: number): number {
  return Math.max(1, Math.ceil(total / limit));
}

export function Pager({ view, total, shown, asOf }: { view: View; total: number; shown: number; asOf: Timestamp | undefined }) {
  const pages = pagesOf(total, view.limit);
  const at = (page: number) => hrefOf({ ...view, page });
  const from = (view.page - 1) * view.limit + 1;
  const time = dateOf(asOf);
  const step = (word: Word & ("first" | "previous" | "next" | "last"), page: number) =>
    page === view.page || page < 1 || page > pages ? (
      <span class="step off" aria-hidden="true">
        <Icon name={word} />
      </span>
    ) : (
      <a class="step" href={at(page)} onClick={follow} aria-label={t(word)} title={t(word)}>
        <Icon name={word} />
      </a>
    );
  return (
    <nav class="pager" aria-label={t("pages")}>
      <p class="quiet">
        {shown > 0 && t("range", { from, to: from + shown - 1, total })}
        {time && <span class="asof"> {t("asOf", { time: clock(time) })}</span>}
      </p>
      <div class="steps">
        {step("first", 1)}
        {step("previous", view.page - 1)}
        <PageNumber view={view} pages={pages} />
        {step("next", view.page + 1)}
        {step("last", pages)}
      </div>
      <label class="limit">
        {t("perPage")}{" "}
        <select
          value={view.limit}
          // The first task of the current page stays visible.
          onChange={(event) => {
            const limit = Number(event.currentTarget.value);
            keepLimit(limit);
            go(hrefOf({ ...view, limit, page: Math.floor((from - 1) / limit) + 1 }));
          }}
        >
          {[...new Set([...LIMITS, view.limit])].sort((a, b) => a - b).map((limit) => (
            <option key={limit} value={limit}>
              {limit}
            </option>
          ))}
        </select>
      </label>
    </nav>
  );
}

/** The page number as an input. */
function PageNumber({ view, pages }: { view: View; pages: number }) {
  const [text, setText] = useState(String(view.page));
  useEffect(() => setText(String(view.page)), [view.page]);
  return (
    <form
      class="number"
      onSubmit={(event) => {
        event.preventDefault();
        const page = Math.min(pages, Math.max(1, Math.trunc(Number(text)) || view.page));
        setText(String(page));
        go(hrefOf({ ...view, page }));
      }}
    >
      <input
        type="text"
        inputMode="numeric"
        aria-label={t("page")}
        value={text}
        size={Math.max(3, String(pages).length)}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <span>{t("ofPages", { pages })}</span>
    </form>
  );
}
