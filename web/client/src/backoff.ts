// Exponential back-off with jitter.

/** The first and the longest wait, in milliseconds. */
const FIRST_MS = 500;
const LONGEST_MS = 15_000;

/**
 * How long to wait before retry number `tries` (from 1), in milliseconds. The wait doubles each time and is chosen at
 * random between half of it and all of it, so that many clients do not return to a restarted service at the same instant.
 */
export function backoff(tries: number, atLeastMs = 0): number {
  const most = Math.min(LONGEST_MS, FIRST_MS * 2 ** (tries - 1));
  return Math.max(atLeastMs, most * (0.5 + Math.random() / 2));
}

/** Waits; resolves immediately, without an error, when `signal` is aborted. */
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
