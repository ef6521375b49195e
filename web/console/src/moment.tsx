// A time in a form: a local time of the console's zone. Where clocks skip it, that is an error at the field; where they show it
// twice, the viewer chooses.

import { offsetOf, t } from "./i18n";
import type { Word } from "./words";
import { dayOf, instantsOf, timeOf, zone } from "./zone";

export interface Moment {
  /** As an input of minutes has it (YYYY-MM-DDThh:mm). */
  text: string;
  /** Whether the second one is meant, if there are two. */
  isLater: boolean;
}

export function momentOf(date: Date): Moment {
  const text = `${dayOf(date)}T${timeOf(date).slice(0, 5)}`;
  const [, later] = instantsOf(text) ?? [];
  return { text, isLater: later !== undefined && date >= later };
}

/** The instant of a moment, which an input of minutes keeps to the second if it is that of `before`; undefined without one. */
export function instantOf(moment: Moment, before?: Date): Date | undefined {
  const old = before && momentOf(before);
  if (old && old.text === moment.text && old.isLater === moment.isLater) {
    return before;
  }
  const instants = instantsOf(moment.text);
  return instants?.[moment.isLater ? instants.length - 1 : 0];
}

/** Whether clocks show the minute of an instant twice. */
export function isTwice(date: Date): boolean {
  return instantsOf(momentOf(date).text)?.length === 2;
}

/** Whether clocks skip a time. */
export function isSkipped({ text }: Moment): boolean {
  return instantsOf(text)?.length === 0;
}

interface MomentFieldProps {
  word: Word;
  name: string;
  moment: Moment;
  min?: string | undefined;
  change: (moment: Moment) => void;
  /** The field was left. */
  left?: () => void;
}

export function MomentField({ word, name, moment, min, change, left }: MomentFieldProps) {
  const instants = instantsOf(moment.text);
  const isWrong = instants?.length === 0;
  return (
    <div class="moment">
      <label>
        {t(word)}
        <input
          type="datetime-local"
          name={name}
          required
          min={min}
          onBlur={left}
          max="9999-12-31T23:59"
          value={moment.text}
          aria-invalid={isWrong}
          aria-describedby={isWrong ? `${name}-error` : undefined}
          onInput={(event) => change({ text: event.currentTarget.value, isLater: false })}
        />
      </label>
      {isWrong && (
        <span id={`${name}-error`} class="wrong" role="alert">
          {t("timeSkipped", { zone: zone() })}
        </span>
      )}
      {instants && instants.length > 1 && (
        <label>
          {t("timeTwice")}
          <select value={moment.isLater ? 1 : 0} onChange={(event) => change({ ...moment, isLater: event.currentTarget.value === "1" })}>
            {instants.map((instant, n) => (
              <option key={n} value={n}>
                {t(n === 0 ? "timeFirst" : "timeSecond", { offset: offsetOf(instant) })}
              </option>
            ))}
          </select>
        </label>
      )}
    </div>
  );
}
