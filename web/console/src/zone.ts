// The time zone in which the console shows and reads times. The viewer's own one is the browser's, or the one that the viewer
// has chosen for the tenant. An address with days names their zone, and the list of a link is shown in that of the link, so
// that it means the same to everyone; what the viewer has chosen stays as it is.
// `Date` only knows the browser's zone. So the local time of an instant comes from `Intl`, and the instants of a local time
// are found by the zone's offsets around it: none where clocks skip it, two where they show it twice.

import { store } from "./store";

const KEPT = "outbound-tasks.zone.";
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

export const BROWSER_ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** The zone that was chosen; empty for the browser's. */
export const chosenZone = store("");
let tenant = "";

/** The zone of the days in the address of the last list; empty if it has none. */
export const linkZone = store("");

/** The name of the viewer's own zone. */
export function ownZone(): string {
  return chosenZone.get() || BROWSER_ZONE;
}

/** The name of the zone in use. */
export function zone(): string {
  return linkZone.get() || ownZone();
}

export function isZone(name: string): boolean {
  try {
    return name !== "" && formatIn(name) !== undefined;
  } catch {
    return false; // this browser does not know it
  }
}

/** Uses the zone that was chosen for a tenant. */
export function openZone(ofTenant: string): void {
  tenant = ofTenant;
  const kept = localStorage.getItem(KEPT + tenant) ?? "";
  chosenZone.set(isZone(kept) ? kept : "");
}

/** Chooses a zone for the tenant; empty for the browser's. */
export function chooseZone(name: string): void {
  localStorage.setItem(KEPT + tenant, name);
  chosenZone.set(name);
}

// Another tab chose.
addEventListener("storage", ({ key }) => key === KEPT + tenant && openZone(tenant));

/** A local time; months count from 1. */
interface Local {
  year: number;
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** Creating a format is slow, so each one is cached. */
function formatIn(name: string): Intl.DateTimeFormat {
  let made = formats.get(name);
  if (!made) {
    const numeric = "numeric";
    const fields = { year: numeric, month: numeric, day: numeric, hour: numeric, minute: numeric, second: numeric } as const;
    made = new Intl.DateTimeFormat("en-US", { timeZone: name, calendar: "gregory", hourCycle: "h23", ...fields });
    formats.set(name, made);
  }
  return made;
}

export function localOf(date: Date): Local {
  const local = { year: 0, month: 0, day: 0, hour: 0, minute: 0, second: 0 };
  for (const { type, value } of formatIn(zone()).formatToParts(date)) {
    if (type in local) {
      local[type as keyof Local] = Number(value);
    }
  }
  return local;
}

/** A local time as if it were one of UTC, in milliseconds. */
function asUtc(year: number, month: number, day: number, hour = 0, minute = 0, second = 0): number {
  return new Date(0).setUTCFullYear(year, month - 1, day) + ((hour * 60 + minute) * 60 + second) * 1000;
}

/** How far the zone is ahead of UTC at an instant, in milliseconds. */
function offsetAt(ms: number): number {
  const { year, month, day, hour, minute, second } = localOf(new Date(ms));
  return asUtc(year, month, day, hour, minute, second) - Math.floor(ms / 1000) * 1000;
}

/** The instants of a local time, given as if it were one of UTC, from the earliest. */
function instantsAt(ms: number): number[] {
  const offsets = new Set([offsetAt(ms - DAY_MS), offsetAt(ms + DAY_MS)]);
  return [...offsets].map((offset) => ms - offset).filter((at) => at + offsetAt(at) === ms).sort((one, other) => one - other);
}

/** The earliest instant of a local time; where clocks skip it, the instant at which they do. */
function firstAt(ms: number): number {
  const [first] = instantsAt(ms);
  if (first !== undefined) {
    return first;
  }
  const offsets = [offsetAt(ms - DAY_MS), offsetAt(ms + DAY_MS)];
  let low = ms - Math.max(...offsets);
  let high = ms - Math.min(...offsets);
  const before = offsetAt(low);
  while (high - low > MINUTE_MS) {
    const middle = low + Math.ceil((high - low) / 2 / MINUTE_MS) * MINUTE_MS;
    if (offsetAt(middle) === before) {
      low = middle;
    } else if (middle === high) {
      break;
    } else {
      high = middle;
    }
  }
  return high;
}

/** The numbers of a day (YYYY-MM-DD); undefined if the text is not one. */
function partsOf(day: string): [year: number, month: number, date: number] | undefined {
  const [, year = 0, month = 0, date = 0] = day.match(/^(\d{4})-(\d{2})-(\d{2})$/)?.map(Number) ?? [];
  // Reject the 31st of a shorter month, which Date would move to the next month.
  const isDay = year > 0 && month > 0 && date > 0 && new Date(asUtc(year, month, date)).getUTCDate() === date && month <= 12;
  return isDay ? [year, month, date] : undefined;
}

export function isDay(text: string): boolean {
  return partsOf(text) !== undefined;
}

/** The first instant of an hour of a day, or of one some days later; undefined if the text is not a day. */
export function hourStart(day: string, plusDays = 0, hour = 0): Date | undefined {
  const parts = partsOf(day);
  return parts && new Date(firstAt(asUtc(parts[0], parts[1], parts[2] + plusDays, hour)));
}

/** A day (YYYY-MM-DD) some days after another one. */
export function addDays(day: string, days: number): string {
  const [year, month, date] = partsOf(day) ?? [1970, 1, 1];
  return new Date(asUtc(year, month, date + days)).toISOString().slice(0, 10);
}

/** The day of the week, from Monday as 0. */
export function weekday(day: string): number {
  return (new Date(day).getUTCDay() + 6) % 7;
}

const two = (n: number) => String(n).padStart(2, "0");

/** The day of an instant, in the form of date inputs (YYYY-MM-DD). */
export function dayOf(date: Date): string {
  const { year, month, day } = localOf(date);
  return `${String(year).padStart(4, "0")}-${two(month)}-${two(day)}`;
}

/** The time of day of an instant, as hh:mm:ss. */
export function timeOf(date: Date): string {
  const { hour, minute, second } = localOf(date);
  return [hour, minute, second].map(two).join(":");
}

/** The instants of a text of an input of minutes (YYYY-MM-DDThh:mm); undefined if it is not one. */
export function instantsOf(text: string): Date[] | undefined {
  const parts = partsOf(text.slice(0, 10));
  const [, hour, minute] = text.slice(10).match(/^T(\d{2}):(\d{2})/)?.map(Number) ?? [];
  return parts && hour !== undefined && minute !== undefined ? instantsAt(asUtc(...parts, hour, minute)).map((at) => new Date(at)) : undefined;
}
