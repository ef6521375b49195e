// Language, and the formats of numbers and times.

import { type Timestamp, timestampDate } from "@outbound-tasks/client";
import { store } from "./store";
import { type Word, WORDS } from "./words";
import { dayOf, hourStart, localOf, zone } from "./zone";

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

/** Letters that are written from right to left, and characters that change the direction of what follows. */
const TURNS = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

/** A text of people within one of the console. It is isolated if it could turn the text around it. */
export function isolated(text: string): string {
  return TURNS.test(text) ? `\u2068${text}\u2069` : text;
}

/** A text of the console with its {placeholders} filled. */
export function t(word: Word, blanks: Record<string, string | number> = {}): string {
  return WORDS[lang.get()][word].replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = blanks[name] ?? "";
    return typeof value === "number" ? number(value) : isolated(value);
  });
}

/** The text for a numbered value, such as `status_2`. */
export function tn(kind: "status" | "action" | "ask" | "state" | "event" | "date" | "scope" | "attention", n: number): string {
  const word = `${kind}_${n}`;
  // A newer service may have values that this console does not know.
  return word in WORDS.en ? t(word as Word) : String(n);
}

/** The viewer's regional locale if it has the current language; the region decides the order of day and month. */
function locale(): string {
  const own = navigator.languages.find((name) => name.startsWith(lang.get()));
  return own ?? (lang.get() === "zh" ? "zh-CN" : "en-GB");
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** Creating a format is slow, so each one is cached. */
function format(name: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${locale()} ${zone()} ${name}`;
  let made = formats.get(key);
  if (!made) {
    made = new Intl.DateTimeFormat(locale(), { ...options, timeZone: zone() });
    formats.set(key, made);
  }
  return made;
}

const HOUR: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const MINUTE: Intl.DateTimeFormatOptions = { month: "short", day: "2-digit", ...HOUR };

/** The current year: a table asks for it very often. */
let year = { zone: "", start: 0, end: 0 };

function isThisYear(date: Date): boolean {
  const now = Date.now();
  if (year.zone !== zone() || now < year.start || now >= year.end) {
    const number = localOf(new Date(now)).year;
    const [start, end] = [number, number + 1].map((number) => hourStart(`${number}-01-01`)?.getTime() ?? 0) as [number, number];
    year = { zone: zone(), start, end };
  }
  return date.getTime() >= year.start && date.getTime() < year.end;
}

/** A time in a table as two parts, date and time of day. The year is included unless it is the current one. */
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

/** A time to the second, without the date if that is today. */
export function clock(date: Date): string {
  if (dayOf(date) !== dayOf(new Date())) {
    return fullTime(date);
  }
  return format("clock", { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }).format(date);
}

/** How far the zone is ahead of UTC at an instant, such as GMT+8. */
export function offsetOf(date: Date): string {
  const parts = format("offset", { timeZoneName: "shortOffset" }).formatToParts(date);
  return parts.find(({ type }) => type === "timeZoneName")?.value ?? "";
}

export function dayName(date: Date): string {
  const day: Intl.DateTimeFormatOptions = { weekday: "short", month: "short", day: "numeric" };
  return isThisYear(date) ? format("day", day).format(date) : format("day year", { ...day, year: "numeric" }).format(date);
}

const numberFormats = new Map<string, Intl.NumberFormat>();

export function number(value: number): string {
  const key = locale();
  let made = numberFormats.get(key);
  if (!made) {
    made = new Intl.NumberFormat(key);
    numberFormats.set(key, made);
  }
  return made.format(value);
}

/** A share as a percentage, with a digit behind the point if it is small. */
export function percent(share: number): string {
  const maximumFractionDigits = share > 0 && share < 0.1 ? 1 : 0;
  return new Intl.NumberFormat(locale(), { style: "percent", maximumFractionDigits }).format(share);
}

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 365.25 * 86_400], ["month", 30.44 * 86_400], ["day", 86_400], ["hour", 3600], ["minute", 60],
];

/** How far a time is from now, as "3 hours ago". */
export function relative(date: Date): string {
  const seconds = (date.getTime() - Date.now()) / 1000;
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ["minute", 60];
  // "Tomorrow" and the like are days of the calendar, not spans of 24 hours.
  const count = unit === "day" ? daysTo(date) : Math.trunc(seconds / size);
  return new Intl.RelativeTimeFormat(locale(), { numeric: "auto" }).format(count, unit);
}

/** How many days of the calendar a time is from today, in the console's zone. */
function daysTo(date: Date): number {
  return Math.round((Date.parse(dayOf(date)) - Date.parse(dayOf(new Date()))) / 86_400_000);
}

export function dateOf(time: Timestamp | undefined): Date | undefined {
  return time && timestampDate(time);
}
