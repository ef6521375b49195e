// The events of a task, newest first: who changed what, and when.

import { type FieldChange, type OutboundTasks, SortOrder, TaskError, type TaskEvent, TaskEventKind } from "@outbound-tasks/client";
import { Fragment } from "preact";
import { useEffect, useState } from "preact/hooks";
import { fieldName, reasonText } from "./errors";
import { dateOf, fullTime, t, tn } from "./i18n";
import { ErrorNotice, Time } from "./parts";
import { endedBy } from "./session";

const LIMIT = 20;
/** The most customers that an event names. */
const MOST_NAMED = 100;

export function Events({ taskId, service, version }: { taskId: string; service: OutboundTasks; version: number }) {
  const [events, setEvents] = useState<TaskEvent[]>();
  const [next, setNext] = useState("");
  const [error, setError] = useState<TaskError>();
  /** The only kind of events to show; 0 for all. */
  const [kind, setKind] = useState(0);

  const read = async (pageToken: string, signal?: AbortSignal) => {
    try {
      const answer = await service.rpc.listTaskEvents({ taskId, limit: LIMIT, order: SortOrder.DESC, pageToken }, { signal });
      setError(undefined);
      return answer;
    } catch (reason) {
      if (!signal?.aborted && !endedBy(reason)) {
        setError(TaskError.from(reason));
      }
      return undefined;
    }
  };
  // New events are put before those that were already read, including older pages. If more arrived than fit on a page,
  // the list starts again.
  useEffect(() => {
    const call = new AbortController();
    void read("", call.signal).then((answer) => {
      if (!answer || call.signal.aborted) {
        return;
      }
      const first = events?.[0]?.eventId;
      const isJoined = events && first !== undefined && answer.events.some(({ eventId }) => eventId === first);
      if (isJoined) {
        setEvents([...answer.events.filter(({ eventId }) => eventId > first), ...events]);
      } else {
        setEvents(answer.events);
        setNext(answer.nextPageToken);
      }
    });
    return () => call.abort();
  }, [service, taskId, version]);

  const more = async () => {
    const answer = await read(next);
    if (answer) {
      setEvents([...(events ?? []), ...answer.events]);
      setNext(answer.nextPageToken);
    }
  };
  const kinds = [...new Set(events?.map((event) => event.kind))].sort((a, b) => a - b);
  const shown = events?.filter((event) => kind === 0 || event.kind === kind) ?? [];
  return (
    <section aria-labelledby="events">
      <div class="bar">
        <h2 id="events">{t("events")}</h2>
        {kinds.length > 1 && (
          <select aria-label={t("eventKinds")} value={kind} onChange={(event) => setKind(Number(event.currentTarget.value))}>
            <option value={0}>{t("all")}</option>
            {kinds.map((kind) => (
              <option key={kind} value={kind}>
                {tn("event", kind)}
              </option>
            ))}
          </select>
        )}
      </div>
      {error && <ErrorNotice error={error} />}
      {events?.length === 0 && <p class="quiet">{t("noEvents")}</p>}
      <ol class="events">
        {groupsOf(shown).map(([event, ...earlier]) => (
          <li key={String(event.eventId)} class={`e${event.kind}`}>
            <Entry event={event} />
            {earlier.length > 0 && (
              <details>
                <summary>{t("eventsFolded", { count: earlier.length, time: timeOf(earlier) })}</summary>
                <ol class="folded">
                  {earlier.map((event) => (
                    <li key={String(event.eventId)}>
                      <Entry event={event} />
                    </li>
                  ))}
                </ol>
              </details>
            )}
          </li>
        ))}
      </ol>
      {next && (
        <button type="button" onClick={() => void more()}>
          {t("moreEvents")}
        </button>
      )}
    </section>
  );
}

/** Events in groups: reports of results that follow each other are one group, because a dialler sends very many. */
function groupsOf(events: TaskEvent[]): [TaskEvent, ...TaskEvent[]][] {
  const groups: [TaskEvent, ...TaskEvent[]][] = [];
  for (const event of events) {
    const last = groups[groups.length - 1];
    if (last && event.kind === TaskEventKind.RESULTS_REPORTED && last[0].kind === event.kind) {
      last.push(event);
    } else {
      groups.push([event]);
    }
  }
  return groups;
}

/** The time of the oldest of some events, which are sorted from the newest. */
function timeOf(events: TaskEvent[]): string {
  const time = dateOf(events[events.length - 1]?.at);
  return time ? fullTime(time) : "";
}

function Entry({ event }: { event: TaskEvent }) {
  return (
    <>
      <p>
        <strong>{tn("event", event.kind)}</strong> <Time time={event.at} full />{" "}
        <span class="quiet">{event.keyId ? t("by", { key: event.keyName ? `${event.keyName} (${event.keyId})` : event.keyId }) : t("byService")}</span>
      </p>
      {event.reason && (
        <p class="reason">
          <bdi>{reasonText(event.reasonCode, event.reason)}</bdi>
        </p>
      )}
      {event.changes.length > 0 && (
        <ul>
          {event.changes.map((change) => (
            <li key={change.field}>{changeText(change)}</li>
          ))}
        </ul>
      )}
      {event.customerIds.length > 0 && (
        <details>
          <summary>{t(event.customerIds.length < MOST_NAMED ? "eventCustomers" : "eventCustomersFirst", { count: event.customerIds.length })}</summary>
          <p>
            {event.customerIds.map((id, index) => (
              <Fragment key={id}>
                {index > 0 && ", "}
                <bdi>{id}</bdi>
              </Fragment>
            ))}
          </p>
        </details>
      )}
    </>
  );
}

/** The counts of call results, in the order of the states' numbers. */
const COUNT_FIELDS = ["", "pending", "answered", "no_answer", "busy", "failed", "skipped"].map((state) => `target_counts.${state}`);
const STATUS_WORDS = ["", "pending", "running", "paused", "completed", "stopped", "failed"];

function changeText({ field, oldValue, newValue, oldIsSet, newIsSet }: FieldChange): string {
  const state = COUNT_FIELDS.indexOf(field);
  const name = state > 0 ? tn("state", state) : fieldName(field);
  // Events of earlier services do not say which values were set.
  const next = oldIsSet && !newIsSet ? t("valueRemoved") : valueText(field, newValue);
  if (oldValue === "" && !oldIsSet) {
    return t("value", { field: name, new: next });
  }
  return t("change", { field: name, old: valueText(field, oldValue), new: next });
}

/** Formats a value for the viewer: events contain times in RFC 3339 and statuses as words. */
function valueText(field: string, value: string): string {
  if (value === "") {
    return t("empty");
  }
  const status = field === "status" ? STATUS_WORDS.indexOf(value) : -1;
  if (status > 0) {
    return tn("status", status);
  }
  const isTime = /^\d{4}-\d{2}-\d{2}T/.test(value) && (field.endsWith("_time") || field.endsWith("_at"));
  return isTime ? fullTime(new Date(value)) : value;
}
