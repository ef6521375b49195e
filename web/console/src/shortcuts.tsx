// Keys of the keyboard for those who do not want to reach for the mouse.

import { closeDialog, Dialog, isDialogOpen, openDialog } from "./dialog";
import { t } from "./i18n";
import type { Word } from "./words";

const KEYS: [string, Word][] = [["/", "key_search"], ["j", "key_next"], ["k", "key_previous"], ["Enter", "key_open"], ["?", "key_help"]];

export function openShortcuts(): void {
  openDialog(<Shortcuts />);
}

function Shortcuts() {
  return (
    <Dialog title={t("shortcuts")} submit={t("close")} cancel={false} isOff={false} onSubmit={closeDialog} onClose={closeDialog}>
      <dl class="shortcuts">
        {KEYS.map(([key, word]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{t(word)}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}

/** Moves the focus to the next row of the list, or to the one before. */
function step(by: number): void {
  const links = [...document.querySelectorAll<HTMLElement>("table.tasks .c-name a")];
  const row = document.activeElement?.closest("tr");
  const at = links.findIndex((link) => row?.contains(link));
  const next = links[at < 0 ? (by > 0 ? 0 : links.length - 1) : Math.min(links.length - 1, Math.max(0, at + by))];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

addEventListener("keydown", (event) => {
  const { target, key } = event;
  const isText = target instanceof Element && target.closest("input:not([type=checkbox]), select, textarea") !== null;
  if (isText || isDialogOpen.get() || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) {
    return;
  }
  const act = {
    "/": () => document.querySelector<HTMLElement>("input[type=search]")?.focus(),
    j: () => step(1),
    k: () => step(-1),
    "?": openShortcuts,
  }[key];
  if (act) {
    event.preventDefault();
    act();
  }
});
