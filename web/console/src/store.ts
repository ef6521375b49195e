// A value that components share and subscribe to.

import { useEffect, useReducer, useRef } from "preact/hooks";

export interface Store<T> {
  get(): T;
  set(value: T): void;
  /** The value; the component is rendered again when it changes. */
  use(): T;
}

export function store<T>(value: T): Store<T> {
  const listeners = new Set<() => void>();
  return {
    get: () => value,
    set(next) {
      if (!Object.is(next, value)) {
        value = next;
        for (const listener of [...listeners]) {
          listener();
        }
      }
    },
    use() {
      const [, draw] = useReducer((n: number) => n + 1, 0);
      const drawn = useRef(value);
      drawn.current = value;
      useEffect(() => {
        const listener = () => draw(undefined);
        listeners.add(listener);
        // The value may have changed between rendering and this effect.
        if (!Object.is(drawn.current, value)) {
          listener();
        }
        return () => void listeners.delete(listener);
      }, []);
      return value;
    },
  };
}
