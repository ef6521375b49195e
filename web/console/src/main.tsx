// The console's frame, with the page for the current address.

import { render } from "preact";
import { useEffect } from "preact/hooks";
import { Confirmation } from "./actions";
import { Opened } from "./dialog";
import { Ends } from "./ends";
import { aside } from "./focus";
import { lang, setLang, t } from "./i18n";
import { openKeys } from "./keys";
import { ListPage } from "./list";
import { connection } from "./live";
import { OpenMenu } from "./menu";
import { Login } from "./login";
import { Notice, Toast } from "./parts";
import { BASE, follow, hrefOf, type Route, route, START, takeOwnZone } from "./route";
import { resume, type Session, session, signOut } from "./session";
import { TaskPage } from "./task";
import { Wall } from "./wall";
import { chosenZone, linkZone, ownZone, zone } from "./zone";
import { openZones } from "./zone-dialog";

function App() {
  const language = lang.use();
  const now = session.use();
  chosenZone.use();
  linkZone.use();
  useEffect(() => {
    document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  }, [language]);
  const isIn = typeof now !== "string";
  const where = route.use();
  if (isIn && where.kind === "wall") {
    return (
      <>
        <main class="whole">
          <Wall view={where.view} session={now} />
        </main>
        <Ends session={now} />
        <Toast />
      </>
    );
  }
  return (
    <>
      <a class="skip" href="#main">
        {t("skip")}
      </a>
      <header class="top">
        <a class="brand" href={BASE} onClick={follow}>
          <img src="/console/icon.svg" alt="" width="22" height="22" />
          <span>{t("title")}</span>
        </a>
        {isIn && <Live />}
        <span class="space" />
        {isIn && <Who session={now} />}
        <button type="button" lang={language === "zh" ? "en" : "zh-CN"} onClick={() => setLang(language === "zh" ? "en" : "zh")}>
          {language === "zh" ? "English" : "中文"}
        </button>
        {isIn && now.isAdmin && (
          <button type="button" onClick={() => openKeys(now)}>
            {t("keys")}
          </button>
        )}
        {isIn && (
          <button type="button" onClick={signOut}>
            {t("signOut")}
          </button>
        )}
      </header>
      <main id="main" tabIndex={-1}>
        {isIn && <OpenMenu />}
        {isIn ? <Page where={where} session={now} /> : now !== "asking" && <Login isRefused={now === "refused"} />}
      </main>
      <footer class="quiet">
        <span>{t("zone", { zone: zone() })}</span>{" "}
        {isIn && (
          <button type="button" class="plain-button" onClick={openZones}>
            {t("timeZone")}
          </button>
        )}{" "}
        <a href={`${BASE}licenses.txt`}>{t("licences")}</a>
      </footer>
      {isIn && <Confirmation service={now.service} />}
      {isIn && <Opened />}
      {isIn && <Ends session={now} />}
      <Toast />
      <Aside />
    </>
  );
}

/** Whose tasks these are, and what the key allows. */
function Who({ session: { tenant, keyId, keyName, canWrite, isAdmin } }: { session: Session }) {
  const scopes = [t("scope_1"), canWrite && t("scope_2"), isAdmin && t("scope_3")].filter(Boolean).join(", ");
  return (
    <span class="who" title={`${tenant} · ${keyId} · ${scopes}`}>
      <bdi>{tenant}</bdi> · <bdi>{keyName ?? keyId}</bdi> · {scopes}
    </span>
  );
}

/** Messages for screen readers only. */
function Aside() {
  return (
    <div class="hidden" role="status" aria-live="polite">
      {aside.use()}
    </div>
  );
}

/** The state of the watch. */
function Live() {
  const state = connection.use();
  const words = { connecting: "connecting", live: "live", reconnecting: "reconnecting", resting: "resting", off: "notLive" } as const;
  return (
    <span class={`connection ${state}`} role="status" aria-live="polite">
      {t(words[state])}
    </span>
  );
}

function Page({ where, session }: { where: Route; session: Session }) {
  return (
    <>
      {session.canWrite === false && <Notice kind="info">{t("readOnly")}</Notice>}
      {zone() !== ownZone() && (
        <Notice kind="info">
          {t("linkZone", { zone: zone(), own: ownZone() })}{" "}
          <button type="button" onClick={takeOwnZone}>
            {t("takeOwnZone", { own: ownZone() })}
          </button>
        </Notice>
      )}
      {where.kind === "list" && <ListPage key={zone()} view={where.view} session={session} />}
      {where.kind === "task" && <TaskPage key={`${where.taskId} ${zone()}`} taskId={where.taskId} targets={where.targets} session={session} />}
      {where.kind === "nowhere" && (
        <div class="nothing">
          <h1>{t("nowhere")}</h1>
          <a class="button" href={hrefOf(START)} onClick={follow}>
            {t("toList")}
          </a>
        </div>
      )}
    </>
  );
}

resume();
// In a task of its own, because running the scripts takes as long as the first rendering.
setTimeout(() => render(<App />, document.getElementById("app") as HTMLElement));
