// SPDX-License-Identifier: MIT

/** Calls `listener`; what it throws surfaces as an uncaught error of its own and cannot disturb the client. */
export function callSafely(listener, ...values) {
  try {
    listener(...values);
  } catch (error) {
    queueMicrotask(() => { throw error; });
  }
}

/** A list of listeners per event name. */
export class Emitter {
  #listeners = new Map();

  /** Returns a function that removes the listener again. */
  on(name, listener) {
    if (typeof listener !== 'function') throw new TypeError('a listener must be a function');
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    listeners.add(listener);
    return () => this.off(name, listener);
  }

  off(name, listener) {
    this.#listeners.get(name)?.delete(listener);
  }

  emit(name, value) {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) callSafely(listener, value);
  }
}
