// Saved views: filters, columns, order and number of rows of a list under a name. The browser keeps them for each tenant. A
// view is the query of an address, so choosing one is going there, and the address can be sent to others.

import { useRef, useState } from "preact/hooks";
import { closeDialog, Dialog, openDialog } from "./dialog";
import { isolated, t } from "./i18n";
import { hidden, keepViews, keptViews, MOST_VIEWS, type SavedView } from "./kept";
import { MenuButton } from "./menu";
import { Notice, say } from "./parts";
import { BASE, go, hrefOf, type View, viewOf } from "./route";
import { shownIn } from "./table";

const MOST_NAME = 60;

function queryOfAll(view: View): string {
  const columns = shownIn(view, hidden.get());
  const params = new URLSearchParams(hrefOf({ ...view, columns, page: 1 }).slice(BASE.length));
  params.set("limit", String(view.limit)); // the address leaves it out if it is the usual one
  return params.toString();
}

/** The address of a saved view. */
function addressOf({ query }: SavedView): string {
  return hrefOf(viewOf(query));
}

/** The menu of the saved views; its button names the one that is shown. */
export function Views({ view, tenant }: { view: View; tenant: string }) {
  const here = hrefOf({ ...view, page: 1 });
  const views = keptViews(tenant);
  const current = views.find((saved) => addressOf(saved) === here)?.name;
  return (
    <MenuButton
      label={current === undefined ? t("views") : t("value", { field: t("views"), new: current })}
      isWide
      groups={() => {
        const views = keptViews(tenant);
        return [
          views.map((saved) => ({
            text: (addressOf(saved) === here ? "✓ " : "") + isolated(saved.name),
            act: () => go(addressOf(saved)),
          })),
          [
            { text: t("saveView"), isOff: views.length >= MOST_VIEWS, act: () => openDialog(<Save view={view} tenant={tenant} />) },
            { text: t("manageViews"), isOff: views.length === 0, act: () => openDialog(<Manage tenant={tenant} />) },
          ],
        ];
      }}
    >
      <bdi>{current ?? t("views")}</bdi> <span aria-hidden="true">▾</span>
    </MenuButton>
  );
}

function Save({ view, tenant }: { view: View; tenant: string }) {
  const [text, setText] = useState("");
  const views = keptViews(tenant);
  const name = text.trim();
  const isThere = views.some((saved) => saved.name === name);
  const submit = () => {
    const saved = { name, query: queryOfAll(view) };
    keepViews(tenant, isThere ? views.map((old) => (old.name === name ? saved : old)) : [...views, saved]);
    closeDialog();
    say(t("saved", { name }));
    go(addressOf(saved), true);
  };
  return (
    <Dialog title={t("saveView")} submit={t("save")} isOff={name === ""} onSubmit={submit} onClose={closeDialog}>
      <label>
        {t("viewName")}
        <input type="text" required maxLength={MOST_NAME} autocomplete="off" dir="auto" value={text} onInput={(event) => setText(event.currentTarget.value)} />
      </label>
      <p class="quiet">{t("viewHelp")}</p>
      {isThere && <Notice kind="info">{t("viewReplaced")}</Notice>}
    </Dialog>
  );
}

/** Renames and deletes views; nothing is kept before the form is submitted. */
function Manage({ tenant }: { tenant: string }) {
  const [views, setViews] = useState(() => keptViews(tenant));
  const list = useRef<HTMLUListElement>(null);
  const isTwice = views.map(({ name }, n) => views.findIndex((other) => other.name.trim() === name.trim()) < n);
  const submit = () => {
    keepViews(tenant, views.map((saved) => ({ ...saved, name: saved.name.trim() })));
    closeDialog();
  };
  const isOff = isTwice.includes(true) || views.some(({ name }) => name.trim() === "");
  return (
    <Dialog title={t("manageViews")} submit={t("save")} isOff={isOff} onSubmit={submit} onClose={closeDialog}>
      <ul ref={list} class="view-rows">
        {views.map(({ name, query }, n) => (
          <li key={query + n}>
            <input
              type="text"
              aria-label={t("viewNumber", { number: n + 1 })}
              required
              maxLength={MOST_NAME}
              autocomplete="off"
              dir="auto"
              value={name}
              aria-invalid={isTwice[n]}
              aria-describedby={isTwice[n] ? `view-error-${n}` : undefined}
              onInput={({ currentTarget: { value } }) => setViews(views.map((old, other) => (other === n ? { ...old, name: value } : old)))}
            />
            <button
              type="button"
              class="act"
              aria-label={t("deleteView", { name })}
              onClick={() => {
                setViews(views.filter((_, other) => other !== n));
                // The pressed button is gone.
                setTimeout(() => list.current?.closest("form")?.querySelector<HTMLElement>("input, .primary")?.focus());
              }}
            >
              ×
            </button>
            {isTwice[n] && (
              <span id={`view-error-${n}`} class="wrong" role="alert">
                {t("viewTwice")}
              </span>
            )}
          </li>
        ))}
      </ul>
    </Dialog>
  );
}
