// The dates of the list's filter, and their hours.

import { TaskDateField } from "@outbound-tasks/client";
import { useEffect, useRef, useState } from "preact/hooks";
import { t, tn } from "./i18n";
import { boundAt, Hour } from "./hour-range";
import { dayIn, hourIn, type View } from "./route";
import type { Word } from "./words";
import { addDays, BROWSER_ZONE, dayOf, isDay, weekday, zone } from "./zone";
import { openZones } from "./zone-dialog";

const FIELDS = [TaskDateField.START_TIME, TaskDateField.END_TIME, TaskDateField.CREATED_AT, TaskDateField.UPDATED_AT, TaskDateField.WINDOW];

/** A typed date is used when typing has paused for this long, in milliseconds. */
const TYPING_MS = 800;
/** While a year is typed, the date has the years 2, 20 and 202 first. */
const FIRST_YEAR = "1000";

/** Ranges of days from today: their first day and their last, and what they mean. */
const RANGES: { word: Word; help: Word; days: (today: string) => [number, number] }[] = [
  { word: "yesterday", help: "yesterdayHelp", days: () => [-1, -1] },
  { word: "today", help: "todayHelp", days: () => [0, 0] },
  {
    word: "thisWeek",
    help: "thisWeekHelp",
    // From Monday to Sunday.
    days: (today) => {
      const monday = -weekday(today);
      return [monday, monday + 6];
    },
  },
  { word: "week", help: "weekHelp", days: () => [0, 6] },
];

interface DatesProps {
  view: View;
  change: (part: Partial<View>, replace?: boolean) => void;
}

export function Dates({ view, change }: DatesProps) {
  const choose = (days: (today: string) => [number, number]) => {
    const today = dayOf(new Date());
    const [from, to] = days(today).map((n) => addDays(today, n));
    // Filter by the time in which tasks run: a task that began yesterday and still runs is one of today's.
    change({ dateField: TaskDateField.WINDOW, from, to });
  };
  const day = (side: "from" | "to") => (value: string, replace: boolean) => {
    const hour = hourIn(view[side]);
    change({ [side]: value && hour !== undefined ? boundAt(side, value, hour) : value }, replace);
  };
  /** Hours without a day are those of today. */
  const hour = (side: "from" | "to") => (value: number) => {
    const isUndated = view.from === "" && view.to === "";
    const today = dayOf(new Date());
    const bounds = isUndated ? { from: today, to: today, dateField: TaskDateField.WINDOW } : {};
    change({ ...bounds, [side]: boundAt(side, dayIn(view[side]) || dayIn(view.from || view.to) || today, value) });
  };
  return (
    <div class="group dates">
      <select aria-label={t("dateField")} value={view.dateField} onChange={(event) => change({ dateField: Number(event.currentTarget.value) })}>
        {FIELDS.map((field) => (
          <option key={field} value={field}>
            {tn("date", field)}
          </option>
        ))}
      </select>
      <span class="edge">
        <Day word="from" day={dayIn(view.from)} max={dayIn(view.to) || "9999-12-31"} change={day("from")} />
        <Hour side="from" view={view} change={hour("from")} />
      </span>
      <span class="dash" aria-hidden="true">
        –
      </span>
      <span class="edge">
        <Day word="to" day={dayIn(view.to)} min={dayIn(view.from)} max="9999-12-31" change={day("to")} />
        <Hour side="to" view={view} change={hour("to")} />
      </span>
      {RANGES.map(({ word, help, days }) => (
        <button key={word} type="button" title={t(help)} onClick={() => choose(days)}>
          {t(word)}
        </button>
      ))}
      {zone() !== BROWSER_ZONE && (
        <button type="button" title={t("zone", { zone: zone() })} onClick={openZones}>
          {zone()}
        </button>
      )}
    </div>
  );
}

interface DayProps {
  word: Word & ("from" | "to");
  day: string;
  min?: string;
  max: string;
  change: (day: string, replace: boolean) => void;
}

/**
 * The input of a day. A day that is picked is used at once. A day that is typed changes with each digit: it is used when
 * typing pauses or the input is left, and all changes until then are one step of the browser's history.
 */
function Day({ word, day, min, max, change }: DayProps) {
  const [text, setText] = useState(day);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  /** When a key was pressed last. */
  const typed = useRef(0);
  const isChanged = useRef(false);
  useEffect(() => setText(day), [day]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const use = (value: string) => {
    clearTimeout(timer.current);
    if (value !== day && (!isDay(value) || value >= FIRST_YEAR)) {
      change(value, isChanged.current);
      isChanged.current = true;
    }
  };
  return (
    <input
      type="date"
      aria-label={t(word)}
      value={text}
      min={min}
      max={max}
      onFocus={() => {
        isChanged.current = false;
      }}
      onKeyDown={(event) => {
        typed.current = Date.now();
        if (event.key === "Enter") {
          use(event.currentTarget.value);
        }
      }}
      onInput={(event) => {
        const { value } = event.currentTarget;
        setText(value);
        clearTimeout(timer.current);
        if (Date.now() - typed.current < TYPING_MS) {
          timer.current = setTimeout(() => use(value), TYPING_MS);
        } else {
          use(value);
        }
      }}
      onBlur={(event) => use(event.currentTarget.value)}
    />
  );
}
