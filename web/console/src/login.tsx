// The login form, which asks for the API key.

import { Code, TaskError } from "@outbound-tasks/client";
import { useState } from "preact/hooks";
import { t } from "./i18n";
import { ErrorNotice, Notice } from "./parts";
import { keyIdOf, signIn } from "./session";

export function Login({ isRefused }: { isRefused: boolean }) {
  const [error, setError] = useState<TaskError>();
  const [keyId, setKeyId] = useState("");
  const [isChecking, setChecking] = useState(false);
  return (
    <form
      class="login"
      onSubmit={async (event) => {
        event.preventDefault();
        const key = new FormData(event.currentTarget).get("key");
        setChecking(true);
        setError(undefined);
        try {
          await signIn(String(key).trim());
          // The field that had the focus is gone.
          document.getElementById("main")?.focus();
        } catch (reason) {
          setError(TaskError.from(reason));
          setChecking(false);
        }
      }}
    >
      <h1>{t("title")}</h1>
      {isRefused && !error && <Notice kind="warning">{t("refused")}</Notice>}
      <label>
        {t("key")}
        <input
          name="key"
          type="password"
          required
          autofocus
          autocomplete="current-password"
          spellcheck={false}
          aria-describedby="key-help"
          onInput={(event) => setKeyId(keyIdOf(event.currentTarget.value.trim()))}
        />
      </label>
      {/* The name under which a password manager stores the key. */}
      <input class="hidden" type="text" name="username" autocomplete="username" value={keyId} readOnly tabIndex={-1} aria-hidden="true" />
      <p id="key-help" class="quiet">
        {t("keyHelp")}
      </p>
      {error && <Refusal error={error} />}
      <button type="submit" class="primary" disabled={isChecking}>
        {isChecking ? t("checking") : t("signIn")}
      </button>
    </form>
  );
}

function Refusal({ error }: { error: TaskError }) {
  switch (error.code) {
    case Code.Unauthenticated:
      return <Notice kind="error">{t("keyWrong")}</Notice>;
    case Code.PermissionDenied:
      return <Notice kind="error">{t("keyCannotRead")}</Notice>;
    default:
      return <ErrorNotice error={error} />;
  }
}
