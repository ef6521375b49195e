// Language, numbers and times as the viewer writes them.

import { type Timestamp, timestampDate } from "@outbound-tasks/client";
import { store } from "./store";
import { type Word, WORDS } from "./words";

export type Lang = keyof typeof WORDS;

const KEPT = "outbound-tasks.lang";

function preferred(): Lang {
  const kept = localStorage.getItem(KEPT);
  return kept === "en" || kept === "zh" ? kept : navigator.language.startsWith("zh") ? "zh" : "en";
}

export const lang = store<Lang>(preferred());

export function setLang(next: Lang): void {
  localStorage.setItem(KEPT, next);
  lang.set(next);
}

/** A sentence with its blanks filled. */
export function t(word: Word, blanks: Record<string, string | number> = {}): string {
  return WORDS[lang.get()][word].replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = blanks[name] ?? "";
    return typeof value === "number" ? number(value) : value;
  });
}

/** The word of a numbered thing, as `status_2`. */
export function tn(kind: "status" | "action" | "ask" | "state" | "event" | "date", n: number): string {
  const word = `${kind}_${n}`;
  // The service may come to know more of them than this console does.
  return word in WORDS.en ? t(word as Word) : String(n);
}

/** The viewer's own region where it is of the language in use, for what a region decides: the order of day and month. */
function locale(): string {
  const own = navigator.languages.find((name) => name.startsWith(lang.get()));
  return own ?? (lang.get() === "zh" ? "zh-CN" : "en-GB");
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** Making a format is slow and using one is not, so each is made once. */
function format(name: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${locale()} ${name}`;
  let made = formats.get(key);
  if (!made) {
    made = new Intl.DateTimeFormat(locale(), options);
    formats.set(key, made);
  }
  return made;
}

const HOUR: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const MINUTE: Intl.DateTimeFormatOptions = { month: "short", day: "2-digit", ...HOUR };

function isThisYear(date: Date): boolean {
  return date.getFullYear() === new Date().getFullYear();
}

/** A time in a table, as its day and its hour, which may stand below each other: the year where it is another one. */
export function shortTime(date: Date): [day: string, hour: string] {
  const day: Intl.DateTimeFormatOptions = { month: lang.get() === "zh" ? "2-digit" : "short", day: "2-digit" };
  return [
    isThisYear(date) ? format("short", day).format(date) : format("short year", { ...day, year: "numeric" }).format(date),
    format("hour", HOUR).format(date),
  ];
}

/** A time to the second. */
export function fullTime(date: Date): string {
  return format("full", { ...MINUTE, year: "numeric", second: "2-digit" }).format(date);
}

/** A time to the second, without its day where that is today. */
export function clock(date: Date): string {
  if (dayOf(date) !== dayOf(new Date())) {
    return fullTime(date);
  }
  return format("clock", { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }).format(date);
}

export function dayName(date: Date): string {
  const day: Intl.DateTimeFormatOptions = { weekday: "short", month: "short", day: "numeric" };
  return isThisYear(date) ? format("day", day).format(date) : format("day year", { ...day, year: "numeric" }).format(date);
}

export function number(value: number): string {
  return new Intl.NumberFormat(locale()).format(value);
}

export function dateOf(time: Timestamp | undefined): Date | undefined {
  return time && timestampDate(time);
}

export function zone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** A day of the viewer's zone as date inputs write it. */
export function dayOf(date: Date): string {
  const two = (n: number) => String(n).padStart(2, "0");
  return `${String(date.getFullYear()).padStart(4, "0")}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}
