// A menu of what can be done with a task, beside the button that opens it. It is part of the console's frame, because a row
// cuts off what is outside it.

import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { isDialogOpen } from "./dialog";
import { t } from "./i18n";
import { store } from "./store";

export interface Item {
  text: string;
  icon?: ComponentChildren;
  isOff?: boolean;
  isFinal?: boolean;
  /** Whether what it switches is on; undefined if it is not a switch. */
  isOn?: boolean;
  /** `from` is the button that opened the menu. */
  act: (from: HTMLElement) => void;
}

interface Menu {
  from: HTMLElement;
  label: string;
  groups: Item[][];
}

const menu = store<Menu | undefined>(undefined);

function close(): void {
  const now = menu.get();
  menu.set(undefined);
  now?.from.focus();
}

interface MenuButtonProps {
  label: string;
  /** The items in groups; asked for when the menu opens. */
  groups: () => Item[][];
  /** Whether the button shows more than a sign. */
  isWide?: boolean;
  children?: ComponentChildren;
}

export function MenuButton({ label, groups, isWide = false, children = "⋯" }: MenuButtonProps) {
  return (
    <button
      type="button"
      class={isWide ? undefined : "act menu-button"}
      aria-haspopup="menu"
      title={isWide ? label : t("more_actions")}
      aria-label={label}
      onClick={({ currentTarget: from }) => (menu.get()?.from === from ? close() : menu.set({ from, label, groups: groups() }))}
    >
      {children}
    </button>
  );
}

export function OpenMenu() {
  const now = menu.use();
  return now ? <List key={now.label} menu={now} /> : null;
}

function List({ menu: { from, label, groups } }: { menu: Menu }) {
  const list = useRef<HTMLDivElement>(null);
  const items = () => [...(list.current?.querySelectorAll<HTMLElement>("[role^=menuitem]:not(:disabled)") ?? [])];
  useLayoutEffect(() => {
    const { current } = list;
    if (current) {
      // Below the button and flush with its right side, or above it if there is no room.
      const button = from.getBoundingClientRect();
      const { width, height } = current.getBoundingClientRect();
      const top = button.bottom + height + 4 > innerHeight ? Math.max(4, button.top - height - 4) : button.bottom + 4;
      current.style.top = `${top}px`;
      current.style.left = `${Math.max(4, Math.min(button.right, innerWidth - 4) - width)}px`;
    }
    items()[0]?.focus({ preventScroll: true });
  }, []);
  useEffect(() => {
    isDialogOpen.set(true);
    const outside = ({ target }: Event) => {
      if (target instanceof Node && !list.current?.contains(target) && !from.contains(target)) {
        menu.set(undefined);
      }
    };
    const gone = () => menu.set(undefined);
    addEventListener("pointerdown", outside);
    addEventListener("resize", gone);
    addEventListener("scroll", gone, { passive: true });
    return () => {
      isDialogOpen.set(document.querySelector("dialog[open]") !== null);
      removeEventListener("pointerdown", outside);
      removeEventListener("resize", gone);
      removeEventListener("scroll", gone);
    };
  }, []);
  const onKeyDown = (event: KeyboardEvent) => {
    const all = items();
    const at = all.indexOf(document.activeElement as HTMLElement);
    const next = { ArrowDown: at + 1, ArrowUp: at - 1 + all.length, Home: 0, End: all.length - 1 }[event.key];
    if (next !== undefined) {
      event.preventDefault();
      all[next % all.length]?.focus();
    } else if (event.key === "Escape" || event.key === "Tab") {
      event.preventDefault();
      close();
    }
  };
  return (
    <div ref={list} class="menu" role="menu" aria-label={label} onKeyDown={onKeyDown}>
      {groups
        .filter((group) => group.length > 0)
        .map((group, n) => (
          <div key={n} role="group">
            {group.map(({ text, icon, isOff, isFinal, isOn, act }) => (
              <button
                key={text}
                type="button"
                role={isOn === undefined ? "menuitem" : "menuitemcheckbox"}
                aria-checked={isOn}
                tabIndex={-1}
                class={isFinal ? "final" : undefined}
                disabled={isOff}
                onClick={() => {
                  close();
                  act(from);
                }}
              >
                {icon}
                {text}
              </button>
            ))}
          </div>
        ))}
    </div>
  );
}
