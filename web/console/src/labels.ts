// Labels of tasks: their rules, as the service has them, and the terms by which a list is filtered: `key`, for any value, or
// `key=value`. Keys have no "=", so the first one ends the key.

/** The maximum number of labels of a task, and of a filter. */
export const MOST_LABELS = 32;
const KEY = /^[a-z0-9][a-z0-9._/-]{0,62}$/;
const MOST_VALUE = 255;

type Labels = Record<string, string>;

/** A label as it is edited. */
export type LabelRow = [key: string, value: string];

/** What is wrong with a label. */
export type LabelFault = { at: "key" | "value"; word: "labelKeyBad" | "labelTwice" | "labelValueBad" };

/** The labels of the tasks that were shown since the page was loaded, as terms: what to suggest. */
export const known = new Set<string>();
/** The most labels to suggest. */
const MOST_KNOWN = 200;

export function learn(tasks: { labels: Labels }[]): void {
  for (const term of tasks.flatMap(({ labels }) => termsOf(labels))) {
    if (known.size < MOST_KNOWN) {
      known.add(term);
    }
  }
}

/** The term that a person means: a label's value alone is enough if only one known label has it. */
export function meant(text: string): string {
  const found = [...known].filter((term) => term.slice(term.indexOf("=") + 1) === text);
  return isKey(text) || found.length !== 1 ? text : (found[0] ?? text);
}

export function termOf(key: string, value: string): string {
  return `${key}=${value}`;
}

/** The labels of a task as terms, in the order of their keys. */
export function termsOf(labels: Labels): string[] {
  return rowsOf(labels).map(([key, value]) => termOf(key, value));
}

export function rowsOf(labels: Labels): LabelRow[] {
  return Object.entries(labels).sort(([one], [other]) => (one < other ? -1 : 1));
}

export function isKey(text: string): boolean {
  return KEY.test(text);
}

function isValue(text: string): boolean {
  return [...text].length <= MOST_VALUE && !text.includes("\0");
}

/** Whether a filter can have this term. */
export function isTerm(term: string): boolean {
  const at = term.indexOf("=");
  return at < 0 ? isKey(term) : isKey(term.slice(0, at)) && isValue(term.slice(at + 1));
}

/** Terms that a filter can have, each once. */
export function validTerms(terms: string[]): string[] {
  return [...new Set(terms.filter(isTerm))].slice(0, MOST_LABELS);
}

function isBlank([key, value]: LabelRow): boolean {
  return key === "" && value === "";
}

/** What is wrong with each row; a blank one is no label. */
export function faultsOf(rows: LabelRow[]): (LabelFault | undefined)[] {
  const seen = new Set<string>();
  return rows.map((row) => {
    const [key, value] = row;
    if (isBlank(row)) {
      return undefined;
    }
    const isTwice = seen.has(key);
    seen.add(key);
    if (!isKey(key)) {
      return { at: "key", word: "labelKeyBad" };
    }
    return isTwice ? { at: "key", word: "labelTwice" } : isValue(value) ? undefined : { at: "value", word: "labelValueBad" };
  });
}

/** The labels of rows in which nothing is wrong. */
export function labelsOf(rows: LabelRow[]): Labels {
  return Object.fromEntries(rows.filter((row) => !isBlank(row)));
}
