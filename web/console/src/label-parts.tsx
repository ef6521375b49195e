// Labels as people see them: on a task, in the filter of the list, and in the forms.

import { useRef, useState } from "preact/hooks";
import { t } from "./i18n";
import { faultsOf, isTerm, known, type LabelRow, meant, MOST_LABELS, termsOf } from "./labels";
import { follow, go, hrefOf, labelled, route, type View, viewOf } from "./route";

/** The number of labels that a row of the list shows. */
const MOST_IN_ROW = 3;

/** The labels of a task's page; each leads to the list of the tasks that have it. */
export function LabelLinks({ labels }: { labels: Record<string, string> }) {
  return (
    <span class="labels">
      {termsOf(labels).map((term) => (
        <a key={term} class="label" href={hrefOf(labelled(viewOf(""), term))} onClick={follow} title={t("labelFilter", { label: term })}>
          <bdi>{term}</bdi>
        </a>
      ))}
    </span>
  );
}

/** The first labels of a task in a row of the list; each adds itself to the list's filter. */
export function LabelButtons({ labels }: { labels: Record<string, string> }) {
  const terms = termsOf(labels);
  const more = terms.slice(MOST_IN_ROW);
  const add = (term: string) => {
    const now = route.get();
    if (now.kind === "list") {
      go(hrefOf(labelled(now.view, term)));
    }
  };
  return (
    <span class="labels">
      {terms.slice(0, MOST_IN_ROW).map((term) => (
        <button key={term} type="button" class="label" onClick={() => add(term)} title={t("labelFilter", { label: term })}>
          <bdi>{term}</bdi>
        </button>
      ))}
      {more.length > 0 && (
        <span class="quiet" title={more.join("\n")}>
          {t("more", { count: more.length })}
        </span>
      )}
    </span>
  );
}

/** The labels of the list's filter, each with a way to remove it, and a field for another one. */
export function LabelFilter({ view, change }: { view: View; change: (part: Partial<View>) => void }) {
  const [text, setText] = useState("");
  const [isBad, setBad] = useState(false);
  const add = () => {
    const term = meant(text.trim());
    if (term === "") {
      setBad(false);
    } else if (!isTerm(term) || view.labels.length >= MOST_LABELS) {
      setBad(true);
    } else {
      setText("");
      setBad(false);
      change({ labels: labelled(view, term).labels });
    }
  };
  return (
    <div class="group label-filter">
      {view.labels.map((term) => (
        <span key={term} class="label chosen">
          <bdi>{term}</bdi>
          <button
            type="button"
            aria-label={t("labelRemove", { label: term })}
            title={t("labelRemove", { label: term })}
            onClick={() => change({ labels: view.labels.filter((other) => other !== term) })}
          >
            ×
          </button>
        </span>
      ))}
      <input
        type="text"
        list="known-labels"
        aria-label={t("labelField")}
        placeholder={t("labelField")}
        title={t("labelFieldHelp")}
        value={text}
        spellcheck={false}
        autocomplete="off"
        aria-invalid={isBad}
        aria-describedby={isBad ? "label-error" : undefined}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setBad(false);
        }}
        onKeyDown={(event) => {
          if (event.key === "Enter" && !event.isComposing) {
            add();
          }
        }}
        onBlur={add}
      />
      <Suggestions id="known-labels" texts={[...known]} />
      {isBad && (
        <span id="label-error" class="wrong" role="alert">
          {isTerm(text.trim()) ? t("labelsMost", { count: MOST_LABELS }) : `${t("labelNotKnown")} ${t("labelTermBad")}`}
        </span>
      )}
    </div>
  );
}

/** The values that a label has in the tasks that were shown. */
function valuesOf(key: string): string[] {
  return [...known].filter((term) => key !== "" && term.startsWith(`${key}=`)).map((term) => term.slice(key.length + 1));
}

function Suggestions({ id, texts }: { id: string; texts: string[] }) {
  return (
    <datalist id={id}>
      {texts.sort().map((text) => (
        <option key={text} value={text} />
      ))}
    </datalist>
  );
}

/** The labels in a form: a row for each, with what is wrong with it. */
export function LabelRows({ rows, change }: { rows: LabelRow[]; change: (rows: LabelRow[]) => void }) {
  const list = useRef<HTMLFieldSetElement>(null);
  const faults = faultsOf(rows);
  const put = (at: number, row: LabelRow) => change(rows.map((old, n) => (n === at ? row : old)));
  const focus = (selector: string) => setTimeout(() => list.current?.querySelector<HTMLElement>(selector)?.focus());
  return (
    <fieldset ref={list} class="label-rows">
      <legend>{t("labels")}</legend>
      {rows.map(([key, value], n) => {
        const fault = faults[n];
        const field = (at: "key" | "value", text: string, row: (text: string) => LabelRow) => (
          <input
            type="text"
            class={`label-${at}`}
            list={at === "key" ? "known-keys" : `known-values-${n}`}
            aria-label={t(at === "key" ? "labelKey" : "labelValue", { number: n + 1 })}
            placeholder={t(at === "key" ? "labelKeyShort" : "labelValueShort")}
            value={text}
            autocomplete="off"
            spellcheck={at === "value"}
            dir={at === "value" ? "auto" : undefined}
            aria-invalid={fault?.at === at}
            aria-describedby={fault?.at === at ? `label-error-${n}` : undefined}
            onInput={(event) => put(n, row(event.currentTarget.value))}
          />
        );
        return (
          <div key={n} class="label-row">
            {field("key", key, (text) => [text, value])}
            {field("value", value, (text) => [key, text])}
            <Suggestions id={`known-values-${n}`} texts={valuesOf(key)} />
            <button
              type="button"
              class="act"
              aria-label={t("labelDrop", { number: n + 1 })}
              onClick={() => {
                change(rows.filter((_, other) => other !== n));
                focus(".add-label");
              }}
            >
              ×
            </button>
            {fault && (
              <span id={`label-error-${n}`} class="wrong" role="alert">
                {t(fault.word)}
              </span>
            )}
          </div>
        );
      })}
      <Suggestions id="known-keys" texts={[...new Set([...known].map((term) => term.slice(0, term.indexOf("="))))]} />
      <button
        type="button"
        class="add-label"
        disabled={rows.length >= MOST_LABELS}
        onClick={() => {
          change([...rows, ["", ""]]);
          focus(".label-row:last-of-type .label-key");
        }}
      >
        + {t("labelAdd")}
      </button>
    </fieldset>
  );
}
