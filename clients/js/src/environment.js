// SPDX-License-Identifier: MIT

// Browsers and Node take a longer delay for none.
const LONGEST_DELAY = 2 ** 31 - 1;

/** The real clock: monotonic where there is one, so that a corrected wall clock cannot look like silence. Waits 24 days at most. */
export const systemClock = Object.freeze({
  now: () => globalThis.performance?.now() ?? Date.now(),
  setTimeout: (callback, delay) => globalThis.setTimeout(callback, Math.min(delay, LONGEST_DELAY)),
  clearTimeout: (timer) => globalThis.clearTimeout(timer),
});

/** What the surroundings know about network and visibility. In Node: always online, nothing to hear. */
export const systemEnvironment = Object.freeze({
  isOnline: () => globalThis.navigator?.onLine !== false,

  /** Calls back on changes; returns a function that ends that. */
  listen({ online, offline, visible }) {
    const page = globalThis.document;
    const visibilityChanged = () => { if (page.visibilityState === 'visible') visible(); };
    if (typeof globalThis.addEventListener === 'function') {
      globalThis.addEventListener('online', online);
      globalThis.addEventListener('offline', offline);
    }
    page?.addEventListener('visibilitychange', visibilityChanged);
    return () => {
      if (typeof globalThis.removeEventListener === 'function') {
        globalThis.removeEventListener('online', online);
        globalThis.removeEventListener('offline', offline);
      }
      page?.removeEventListener('visibilitychange', visibilityChanged);
    };
  },
});
