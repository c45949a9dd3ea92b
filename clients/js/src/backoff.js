// SPDX-License-Identifier: MIT

/**
 * Exponential backoff with full jitter: a delay is anywhere between zero and the exponential bound. The first one is
 * jittered too, because a server that restarts loses all its clients in the same instant.
 */
export class Backoff {
  #base;
  #maximum;
  #random;
  #attempts = 0;

  constructor({ base = 1000, maximum = 30_000, random = Math.random } = {}) {
    this.#base = base;
    this.#maximum = maximum;
    this.#random = random;
  }

  get attempts() {
    return this.#attempts;
  }

  get maximum() {
    return this.#maximum;
  }

  /** The delay before the next attempt, in milliseconds. */
  next() {
    // 2^30 keeps the product finite; the maximum is reached long before.
    const bound = Math.min(this.#maximum, this.#base * 2 ** Math.min(this.#attempts, 30));
    this.#attempts += 1;
    return this.#random() * bound;
  }

  reset() {
    this.#attempts = 0;
  }
}
