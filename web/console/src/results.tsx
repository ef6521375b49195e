// How many targets have each result: of one task, and of all tasks of a list.

import { type OutboundTask, type TargetSums, TargetState } from "@outbound-tasks/client";
import { number, percent, t, tn } from "./i18n";
import { Progress } from "./parts";

export const STATES = [
  TargetState.ANSWERED,
  TargetState.FAILED,
  TargetState.SKIPPED,
  TargetState.NO_ANSWER,
  TargetState.BUSY,
  TargetState.PENDING,
];

/** The number of targets in each state. */
interface Counts {
  pending: number;
  answered: number;
  noAnswer: number;
  busy: number;
  failed: number;
  skipped: number;
}

/** Sums over many tasks as the counts of one. */
export function countsOf(sums: TargetSums): Counts {
  return {
    pending: Number(sums.pending),
    answered: Number(sums.answered),
    noAnswer: Number(sums.noAnswer),
    busy: Number(sums.busy),
    failed: Number(sums.failed),
    skipped: Number(sums.skipped),
  };
}

function countIn(counts: Counts | undefined, state: TargetState): number {
  switch (counts && state) {
    case TargetState.PENDING:
      return counts?.pending ?? 0;
    case TargetState.ANSWERED:
      return counts?.answered ?? 0;
    case TargetState.NO_ANSWER:
      return counts?.noAnswer ?? 0;
    case TargetState.BUSY:
      return counts?.busy ?? 0;
    case TargetState.FAILED:
      return counts?.failed ?? 0;
    case TargetState.SKIPPED:
      return counts?.skipped ?? 0;
    default:
      return 0;
  }
}

export function countOf(task: OutboundTask, state: TargetState): number {
  return countIn(task.targetCounts, state);
}

/** The number of those who were called. */
export function calledOf({ answered, noAnswer, busy, failed }: Counts): number {
  return answered + noAnswer + busy + failed;
}

export function Results({ task }: { task: OutboundTask }) {
  const done = [TargetState.ANSWERED, TargetState.FAILED, TargetState.SKIPPED].reduce((sum, state) => sum + countOf(task, state), 0);
  return (
    <section aria-labelledby="results">
      <h2 id="results">{t("results")}</h2>
      <div class="results">
        <Progress task={task} />
        <p>{t("resultsText", { done, total: task.targetCount })}</p>
      </div>
      {task.targetCounts && <Outcome counts={task.targetCounts} />}
    </section>
  );
}

/** Counts as a bar, with their shares, and how many of those who were called have answered. */
export function Outcome({ counts }: { counts: Counts }) {
  const total = STATES.reduce((sum, state) => sum + countIn(counts, state), 0);
  const called = calledOf(counts);
  return (
    <>
      <div class="stack" aria-hidden="true">
        {STATES.map((state) => {
          const count = countIn(counts, state);
          return count > 0 ? <span key={state} class={`t${state}`} style={{ flexGrow: String(count) }} /> : null;
        })}
      </div>
      <ul class="legend">
        {STATES.map((state) => (
          <li key={state} class={`t${state}`}>
            {tn("state", state)} <strong>{number(countIn(counts, state))}</strong>{" "}
            {total > 0 && <span class="quiet">{percent(countIn(counts, state) / total)}</span>}
          </li>
        ))}
      </ul>
      {called > 0 && (
        <p class="rate">
          {t("connectRate")} <strong>{percent(counts.answered / called)}</strong>{" "}
          <span class="quiet">{t("connectRateOf", { answered: counts.answered, called })}</span>
        </p>
      )}
    </>
  );
}
