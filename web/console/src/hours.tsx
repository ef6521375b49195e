// The chart of a week: how many tasks ran or run in each hour of seven days. It is a table with a number in every cell, so it
// also works with a screen reader. The hours are counted only while the chart is open.

import { type OutboundTasks, TaskDateField, TaskError, TaskStatus } from "@outbound-tasks/client";
import { useEffect, useState } from "preact/hooks";
import { countHours, DAYS, type Hours as Counted } from "./count-hours";
import { hourOf } from "./hour-range";
import { dayName, number, t } from "./i18n";
import { ErrorNotice } from "./parts";
import { dayIn, follow, hrefOf, searchOf, type View } from "./route";
import { endedBy } from "./session";
import { addDays, dayOf, hourStart, localOf, zone } from "./zone";

const KEPT = "outbound-tasks.hours";
const SHADES = 5;

/** The tasks that count: those that run or ran to their end. Whether another one has ever run is not in its status. */
const RAN = [TaskStatus.RUNNING, TaskStatus.COMPLETED];

/** The last result, shown again when the viewer returns. */
const known = new Map<string, Counted>();
const MOST_KNOWN = 20;

/** The first day to show initially: the start of the list's dates, or today. */
function firstDay({ from, to }: View): string {
  return dayIn(from) || (to ? addDays(dayIn(to), 1 - DAYS) : dayOf(new Date()));
}

export function Hours({ view, service }: { view: View; service: OutboundTasks }) {
  const [isOpen, setOpen] = useState(sessionStorage.getItem(KEPT) === "open");
  const statuses = view.statuses.length > 0 ? RAN.filter((status) => view.statuses.includes(status)) : RAN;
  return (
    <details
      class="hours"
      open={isOpen}
      onToggle={(event) => {
        const { open } = event.currentTarget;
        setOpen(open);
        sessionStorage.setItem(KEPT, open ? "open" : "closed");
      }}
    >
      <summary>
        <h2>{t("hours")}</h2>
      </summary>
      {isOpen && (
        <div class="picture">
          <p class="quiet">
            {t("hoursText")} {t("zone", { zone: zone() })}
          </p>
          {statuses.length > 0 ? (
            <Picture key={`${view.from} ${view.to}`} view={{ ...view, statuses }} service={service} />
          ) : (
            <p role="status">{t("hoursNotRan")}</p>
          )}
        </div>
      )}
    </details>
  );
}

function Picture({ view, service }: { view: View; service: OutboundTasks }) {
  const [weeks, setWeeks] = useState(0);
  const [counted, setCounted] = useState<Counted>();
  const [error, setError] = useState<TaskError>();
  const [tries, setTries] = useState(0);
  const first = addDays(firstDay(view), weeks * DAYS);
  const filter = { ...searchOf(view), status: view.statuses, attention: view.attention };
  const key = JSON.stringify([filter, first, zone()]);

  useEffect(() => {
    const kept = known.get(key);
    setCounted(kept);
    setError(undefined);
    if (kept) {
      return;
    }
    const call = new AbortController();
    countHours(service, filter, first, call.signal, (hours) => {
      if (!call.signal.aborted) {
        setCounted(hours);
        if (!hours.counts.includes(undefined)) {
          known.set(key, hours);
          const oldest = known.keys().next().value;
          if (known.size > MOST_KNOWN && oldest !== undefined) {
            known.delete(oldest);
          }
        }
      }
    }).catch((reason) => {
      if (!call.signal.aborted && !endedBy(reason)) {
        call.abort(); // the other requests for hours
        setError(TaskError.from(reason));
      }
    });
    return () => call.abort();
  }, [service, key, tries]);

  const again = () => {
    known.delete(key);
    setTries(tries + 1);
  };
  const days = Array.from({ length: DAYS }, (_, n) => addDays(first, n));
  return (
    <>
      <div class="buttons">
        <button type="button" onClick={() => setWeeks(weeks - 1)}>
          ← {t("earlier")}
        </button>
        <button type="button" onClick={() => setWeeks(weeks + 1)}>
          {t("later")} →
        </button>
        <button type="button" onClick={again}>
          {t("recount")}
        </button>
      </div>
      {error && <ErrorNotice error={error} retry={again} />}
      <p role="status">{counted ? summary(counted, days) : !error && t("loading")}</p>
      <div class="scroll" tabIndex={0} role="region" aria-label={t("hours")}>
        <Grid counts={counted?.counts ?? []} days={days} view={view} />
      </div>
    </>
  );
}

/** The chart as a sentence. */
function summary({ counts, total, isTooMuch }: Counted, days: string[]): string {
  if (isTooMuch) {
    return t("hoursTooMuch", { total });
  }
  const missing = counts.filter((count) => count === undefined).length;
  if (missing > 0) {
    return t("hoursCounting", { percent: Math.floor((100 * (counts.length - missing)) / counts.length) });
  }
  if (total === 0) {
    return t("hoursNone");
  }
  const most = Math.max(...(counts as number[]));
  const at = counts.indexOf(most);
  return t("hoursBusiest", { day: nameOf(days[Math.floor(at / 24)] ?? ""), hour: hourName(at % 24), count: most, total });
}

function nameOf(day: string): string {
  return dayName(hourStart(day) ?? new Date());
}

function hourName(hour: number): string {
  return `${String(hour).padStart(2, "0")}:00`;
}

/** Moves the focus with the arrow keys, to the next cell in this direction that leads to tasks. */
function walk(event: KeyboardEvent & { currentTarget: HTMLTableElement }): void {
  const from = event.target instanceof Element ? event.target.closest<HTMLTableCellElement>("td, th") : null;
  const [down, right] = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key] ?? [];
  if (!from || down === undefined || right === undefined) {
    return;
  }
  event.preventDefault();
  const { rows } = event.currentTarget;
  let row = (from.parentElement as HTMLTableRowElement).rowIndex;
  let column = from.cellIndex;
  let link: HTMLElement | null | undefined;
  do {
    row += down;
    column += right;
    link = rows[row]?.cells[column]?.querySelector("a");
  } while (link === null);
  link?.focus();
}

/**
 * The cells; a day and an hour lead to their tasks, and the present hour is marked. The tabulator stops at the days alone, because
 * there are very many hours; the arrow keys lead to them.
 */
function Grid({ counts, days, view }: { counts: (number | undefined)[]; days: string[]; view: View }) {
  const now = new Date();
  const today = dayOf(now);
  const most = Math.max(1, ...counts.map((count) => count ?? 0));
  return (
    <table class="grid" onKeyDown={walk}>
      <thead>
        <tr>
          <th scope="col">{t("day")}</th>
          {Array.from({ length: 24 }, (_, hour) => (
            <th key={hour} scope="col">
              {String(hour).padStart(2, "0")}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {days.map((day, n) => (
          <tr key={n}>
            <th scope="row">
              <a href={hrefOf({ ...view, page: 1, dateField: TaskDateField.WINDOW, from: day, to: day })} onClick={follow}>
                {nameOf(day)}
              </a>
            </th>
            {Array.from({ length: 24 }, (_, hour) => {
              const count = counts[n * 24 + hour];
              const shade = count ? Math.max(1, Math.ceil((SHADES * count) / most)) : 0;
              const isNow = day === today && localOf(now).hour === hour;
              return (
                <td key={hour} class={isNow ? `h${shade} now` : `h${shade}`} aria-current={isNow ? "time" : undefined} title={count === undefined ? undefined : `${nameOf(day)} ${hourName(hour)}: ${number(count)}`}>
                  {count ? (
                    <a href={hrefOf({ ...view, page: 1, dateField: TaskDateField.WINDOW, ...hourOf(day, hour) })} tabIndex={-1} onClick={follow}>
                      {short(count)}
                    </a>
                  ) : (
                    count
                  )}
                </td>
              );
            })}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** A short form of a count for a narrow cell. The cell's title has the complete number. */
function short(count: number): string {
  if (count < 1000) {
    return String(count);
  }
  const [unit, size] = count < 999_500 ? ["k", 1000] : count < 999_500_000 ? ["M", 1e6] : ["G", 1e9];
  return `${(count / size).toFixed(count / size < 9.95 ? 1 : 0)}${unit}`;
}
