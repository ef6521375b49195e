// The hours of the list's date filter: a bound is a day, or an hour of a day. The last hour is the first one that is not included.

import { t } from "./i18n";
import { dayIn, hourIn, type View } from "./route";
import { instantsOf } from "./zone";

type Bounds = Pick<View, "from" | "to">;

const HOURS = Array.from({ length: 25 }, (_, hour) => hour);

function nameOf(hour: number): string {
  return `${String(hour).padStart(2, "0")}:00`;
}

/** A bound at an hour of a day; the first hour of the first day and the end of the last one are those of whole days. */
export function boundAt(side: keyof Bounds, day: string, hour: number): string {
  return hour === (side === "from" ? 0 : 24) ? day : `${day}T${nameOf(hour)}`;
}

/** The bounds of one hour. */
export function hourOf(day: string, hour: number): Bounds {
  return { from: boundAt("from", day, hour), to: boundAt("to", day, hour + 1) };
}

interface HourProps {
  side: keyof Bounds;
  view: View;
  change: (hour: number) => void;
}

/** The choice of the hour of a bound. It has no hour that clocks skip, and none with which no time would be left. */
export function Hour({ side, view, change }: HourProps) {
  const isFrom = side === "from";
  const day = dayIn(view[side]);
  const isOneDay = day !== "" && dayIn(view.from) === dayIn(view.to);
  const [from, to] = [hourIn(view.from) ?? 0, hourIn(view.to) ?? 24];
  const isOff = (hour: number) =>
    (isOneDay && (isFrom ? hour >= to : hour <= from)) || (hour < 24 && instantsOf(`${day}T${nameOf(hour)}`)?.length === 0);
  return (
    <select class="hour" aria-label={t(isFrom ? "fromHour" : "toHour")} value={isFrom ? from : to} onChange={(event) => change(Number(event.currentTarget.value))}>
      {HOURS.filter((hour) => hour !== (isFrom ? 24 : 0) || hour === (isFrom ? from : to)).map((hour) => (
        <option key={hour} value={hour} disabled={isOff(hour)}>
          {nameOf(hour)}
        </option>
      ))}
    </select>
  );
}
