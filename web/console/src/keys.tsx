// The keys of the tenant, for a key with the scope admin: who has one, new ones, and taking one back.

import { type ApiKey, KeyScope, TaskError, timestampDate } from "@outbound-tasks/client";
import { useEffect, useState } from "preact/hooks";
import { closeDialog, Dialog, openDialog, useWrite, WriteNotice } from "./dialog";
import { t, tn } from "./i18n";
import { copy, ErrorNotice, Notice, say, Time } from "./parts";
import { endedBy, type Session } from "./session";

const SCOPES = [KeyScope.READ, KeyScope.WRITE, KeyScope.ADMIN];
/** How long a key is valid, in days; 0: until it is revoked. */
const DAYS = [0, 1, 30, 90, 365];

export function openKeys(session: Session): void {
  openDialog(<Keys session={session} />);
}

function Keys({ session }: { session: Session }) {
  const { service } = session;
  const [keys, setKeys] = useState<ApiKey[]>();
  const [error, setError] = useState<TaskError>();
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState([KeyScope.READ]);
  const [days, setDays] = useState(90);
  const [secret, setSecret] = useState("");
  const [revoking, setRevoking] = useState<string>();
  const writing = useWrite();

  const read = async (signal?: AbortSignal) => {
    try {
      const all: ApiKey[] = [];
      for (let pageToken = ""; ; ) {
        const page = await service.keys.listKeys({ limit: 1000, pageToken }, { signal });
        all.push(...page.keys);
        if (!page.nextPageToken) {
          break;
        }
        pageToken = page.nextPageToken;
      }
      setKeys(all.reverse());
    } catch (reason) {
      if (!signal?.aborted && !endedBy(reason)) {
        setError(TaskError.from(reason));
      }
    }
  };
  useEffect(() => {
    const call = new AbortController();
    void read(call.signal);
    return () => call.abort();
  }, []);

  const create = () =>
    writing.run(
      (options) => {
        const expiresIn = days > 0 ? { seconds: BigInt(days * 86_400), nanos: 0 } : undefined;
        return service.keys.createKey({ name: name.trim(), scopes, expiresIn }, options);
      },
      (answer) => {
        setSecret(answer.secret);
        setName("");
        void read();
      },
    );
  const revoke = (keyId: string) =>
    writing.run(
      (options) => service.keys.revokeKey({ keyId }, options),
      () => {
        setRevoking(undefined);
        say(t("keyRevoked", { id: keyId }));
        void read();
      },
    );
  return (
    <Dialog
      title={t("keys")}
      submit={t("createKey")}
      cancel={t("close")}
      isWide
      isOff={writing.isWriting || scopes.length === 0}
      onSubmit={create}
      onClose={closeDialog}
    >
      {error && <ErrorNotice error={error} />}
      <div class="keys" role="region" aria-label={t("keys")} tabIndex={0}>
        <table class="plain">
          <thead>
            <tr>
              <th scope="col">{t("keyName")}</th>
              <th scope="col">{t("scopes")}</th>
              <th scope="col">{t("lastUsed")}</th>
              <th scope="col">{t("expires")}</th>
              <th scope="col">
                <span class="hidden">{t("actions")}</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {keys?.map((key) => {
              const isOver = key.revokedAt !== undefined || (key.expiresAt !== undefined && timestampDate(key.expiresAt) < new Date());
              return (
                <tr key={key.keyId} class={isOver ? "over" : undefined}>
                  <td class="wrap" title={key.keyId}>
                    <bdi>{key.name}</bdi> {key.keyId === session.keyId && <span class="quiet">{t("thisKey")}</span>}
                  </td>
                  <td>{key.scopes.map((scope) => tn("scope", scope)).join(", ")}</td>
                  <td>{key.lastUsedAt ? <Time time={key.lastUsedAt} /> : "–"}</td>
                  <td>{key.expiresAt ? <Time time={key.expiresAt} /> : "–"}</td>
                  <td>
                    {!isOver && (
                      <button
                        type="button"
                        aria-label={revoking === key.keyId ? `${t("revokeSure")} ${key.name}` : t("revokeKey", { name: key.name })}
                        // The second click of a double click has seen no question.
                        onClick={({ detail }) => (revoking !== key.keyId ? setRevoking(key.keyId) : detail < 2 && revoke(key.keyId))}
                      >
                        {revoking === key.keyId ? t("revokeSure") : t("revoke")}
                      </button>
                    )}
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
      {secret && (
        <Notice kind="warning">
          <p>{t("secretOnce")}</p>
          <code class="secret">{secret}</code>
          <button type="button" onClick={() => copy(secret)}>
            {t("copyKey")}
          </button>
        </Notice>
      )}
      <label>
        {t("newKeyName")}
        <input type="text" required maxLength={256} autocomplete="off" value={name} onInput={(event) => setName(event.currentTarget.value)} />
      </label>
      <fieldset class="checks">
        <legend>{t("scopes")}</legend>
        {SCOPES.map((scope) => (
          <label key={scope}>
            <input
              type="checkbox"
              checked={scopes.includes(scope)}
              onChange={({ currentTarget: { checked } }) => setScopes(checked ? [...scopes, scope] : scopes.filter((other) => other !== scope))}
            />
            {tn("scope", scope)}
          </label>
        ))}
      </fieldset>
      <label>
        {t("validFor")}
        <select value={days} onChange={(event) => setDays(Number(event.currentTarget.value))}>
          {DAYS.map((count) => (
            <option key={count} value={count}>
              {count === 1 ? t("oneDay") : count > 0 ? t("days", { count }) : t("untilRevoked")}
            </option>
          ))}
        </select>
      </label>
      <WriteNotice writing={writing} />
    </Dialog>
  );
}
