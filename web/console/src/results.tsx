// How many targets of a task have each result.

import { type OutboundTask, TargetState } from "@outbound-tasks/client";
import { number, t, tn } from "./i18n";
import { Progress } from "./parts";

export const STATES = [
  TargetState.ANSWERED,
  TargetState.FAILED,
  TargetState.SKIPPED,
  TargetState.NO_ANSWER,
  TargetState.BUSY,
  TargetState.PENDING,
];

export function countOf(task: OutboundTask, state: TargetState): number {
  const counts = task.targetCounts;
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

export function Results({ task }: { task: OutboundTask }) {
  const done = [TargetState.ANSWERED, TargetState.FAILED, TargetState.SKIPPED].reduce((sum, state) => sum + countOf(task, state), 0);
  return (
    <section aria-labelledby="results">
      <h2 id="results">{t("results")}</h2>
      <div class="results">
        <Progress task={task} />
        <p>{t("resultsText", { done, total: task.targetCount })}</p>
      </div>
      <div class="stack" aria-hidden="true">
        {STATES.map((state) => {
          const count = countOf(task, state);
          return count > 0 ? <span key={state} class={`t${state}`} style={{ flexGrow: String(count) }} /> : null;
        })}
      </div>
      <ul class="legend">
        {STATES.map((state) => (
          <li key={state} class={`t${state}`}>
            {tn("state", state)} <strong>{number(countOf(task, state))}</strong>
          </li>
        ))}
      </ul>
    </section>
  );
}
