// The page of a task: its fields, its call results and its events.

import { Code, type OutboundTask, TaskError, TaskChangeKind } from "@outbound-tasks/client";
import { useEffect, useRef, useState } from "preact/hooks";
import { taskChanged, WideActions } from "./actions";
import { openAdd, openRemove } from "./customers";
import { Events } from "./events";
import { openExportTargets } from "./export";
import { reasonText } from "./errors";
import { t } from "./i18n";
import { LabelLinks } from "./label-parts";
import { Skeleton } from "./list";
import { usePaced, useWatch } from "./live";
import { Needs } from "./needs";
import { Pace } from "./pace";
import { ErrorNotice, Notice, Status, Time } from "./parts";
import { Results } from "./results";
import { ACTIVE, follow, lastList, type TargetView, taskHref } from "./route";
import { endedBy, type Session } from "./session";
import { Targets } from "./targets";

const SOON_MS = 1000;
const AWAY_MS = 2000;

interface TaskPageProps {
  taskId: string;
  targets: TargetView;
  session: Session;
}

/** Whether a task takes no customers any more. */
export function hasEnded({ status }: OutboundTask): boolean {
  return !ACTIVE.includes(status);
}

export function TaskPage({ taskId, targets, session }: TaskPageProps) {
  const { service } = session;
  const [task, setTask] = useState<OutboundTask>();
  const [error, setError] = useState<TaskError>();
  const [isDeleted, setDeleted] = useState(false);
  const [version, setVersion] = useState(0);
  const calls = useRef<AbortController>(undefined);
  const heading = useRef<HTMLHeadingElement>(null);

  const load = async () => {
    calls.current?.abort();
    const own = new AbortController();
    calls.current = own;
    try {
      const answer = await service.rpc.getOutboundTask({ taskId, targetLimit: 0 }, { signal: own.signal });
      if (!own.signal.aborted) {
        setTask(answer.task);
        setVersion((version) => version + 1);
        setError(undefined);
      }
    } catch (reason) {
      if (!own.signal.aborted && !endedBy(reason)) {
        const error = TaskError.from(reason);
        setError(error);
        if (error.code === Code.Unavailable) {
          refresh(AWAY_MS);
        }
      }
    }
  };
  const refresh = usePaced(load);
  useEffect(() => {
    void load();
    return () => calls.current?.abort();
  }, [service, taskId]);
  useWatch(session, {
    update({ changes }) {
      const own = changes.filter((change) => change.taskId === taskId);
      for (const { kind, task } of own) {
        taskChanged(taskId, task);
        setDeleted(kind === TaskChangeKind.REMOVED);
        if (kind === TaskChangeKind.REMOVED) {
          setVersion((version) => version + 1); // the events remain after the deletion
        }
      }
      if (own.length > 0) {
        refresh(SOON_MS); // the complete task: the watch only has the fields of a list
      }
    },
    listAgain: () => refresh(SOON_MS),
  });

  const name = task?.name;
  useEffect(() => {
    document.title = name ? `${name} · ${t("title")}` : t("title");
  });
  // Announce the new page to screen readers.
  useEffect(() => heading.current?.focus(), [name === undefined]);

  const canChange = session.canWrite === true;
  const isMissing = error?.code === Code.NotFound && !isDeleted;
  return (
    <article class="task">
      <a class="back" href={lastList.get()} onClick={follow}>
        ← {t("back")}
      </a>
      {isDeleted && <Notice kind="warning">{t("deleted")}</Notice>}
      {isMissing ? (
        <div class="nothing">
          <h1 ref={heading} tabIndex={-1}>
            {t("notFound", { id: taskId })}
          </h1>
          <p class="quiet">{t("notFoundHint")}</p>
        </div>
      ) : (
        error && !isDeleted && <ErrorNotice error={error} retry={() => void load()} />
      )}
      {!task && !error && <Skeleton />}
      {task && !isMissing && (
        <>
          <header class="head">
            <div>
              <h1 ref={heading} tabIndex={-1}>
                <bdi>{task.name}</bdi>
              </h1>
              <p class="ids">
                <Status status={task.status} /> <code>{task.taskId}</code>
                {!isDeleted && <Needs taskId={taskId} service={service} version={task} />}
              </p>
            </div>
            {!isDeleted && (
              <WideActions
                task={task}
                session={session}
                done={(changed) => {
                  if (changed) {
                    setTask(changed);
                  }
                  refresh(0);
                }}
                more={() => [
                  { text: t("addCustomers"), isOff: !canChange || hasEnded(task), act: () => openAdd({ task, service, done: () => refresh(0) }) },
                  { text: t("removeCustomers"), isOff: !canChange, act: () => openRemove({ task, service, done: () => refresh(0) }) },
                  { text: t("exportTheTargets"), act: () => openExportTargets({ task, service }) },
                ]}
              />
            )}
          </header>
          <Facts task={task} />
          {!isDeleted && <Pace task={task} service={service} />}
          <Results task={task} />
          <div class="halves">
            {!isDeleted && (
              <Targets task={task} view={targets} service={service} version={version} canWrite={canChange} changed={() => refresh(0)} />
            )}
            <Events taskId={taskId} service={service} version={version} />
          </div>
        </>
      )}
    </article>
  );
}

function Facts({ task }: { task: OutboundTask }) {
  return (
    <dl class="facts">
      <div>
        <dt>{t("start_time")}</dt>
        <dd>
          <Time time={task.startTime} full />
        </dd>
      </div>
      <div>
        <dt>{t("end_time")}</dt>
        <dd>
          <Time time={task.endTime} full />
        </dd>
      </div>
      <div>
        <dt>{t("created_at")}</dt>
        <dd>
          <Time time={task.createdAt} full />
        </dd>
      </div>
      <div>
        <dt>{t("updated_at")}</dt>
        <dd>
          <Time time={task.updatedAt} full />
        </dd>
      </div>
      <div>
        <dt>{t("statusSince")}</dt>
        <dd>
          <Time time={task.statusChangedAt} full />
        </dd>
      </div>
      {task.lastResultAt && (
        <div>
          <dt>{t("last_result_at")}</dt>
          <dd>
            <Time time={task.lastResultAt} full />
          </dd>
        </div>
      )}
      {Object.keys(task.labels).length > 0 && (
        <div class="full">
          <dt>{t("labels")}</dt>
          <dd>
            <LabelLinks labels={task.labels} />
          </dd>
        </div>
      )}
      {task.copiedFrom && (
        <div>
          <dt>{t("copied_from")}</dt>
          <dd>
            <a href={taskHref(task.copiedFrom)} onClick={follow}>
              <bdi>{task.copiedFrom}</bdi>
            </a>
          </dd>
        </div>
      )}
      {task.statusReason && (
        <div>
          <dt>{t("statusReason")}</dt>
          <dd>
            <bdi>{reasonText(task.statusReasonCode, task.statusReason)}</bdi>
          </dd>
        </div>
      )}
    </dl>
  );
}
