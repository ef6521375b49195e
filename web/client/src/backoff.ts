// Waiting before something is tried again.

/** The first wait, and the longest. */
const FIRST_MS = 500;
const LONGEST_MS = 15_000;

/**
 * How long to wait before try number `tries` (1 and up): twice as long each time, and then by chance between the half
 * and the whole of that, so that a thousand clients of a service that was restarted do not come back in the same instant.
 */
export function backoff(tries: number, atLeastMs = 0): number {
  const most = Math.min(LONGEST_MS, FIRST_MS * 2 ** (tries - 1));
  return Math.max(atLeastMs, most * (0.5 + Math.random() / 2));
}

/** Waits; ends at once when `signal` is aborted, without an error. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) {
      return resolve();
    }
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener("abort", end);
  });
}
