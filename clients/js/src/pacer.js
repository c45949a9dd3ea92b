// SPDX-License-Identifier: MIT

const FIRST = 8;
// Half of the publish ids that a session remembers: of those that are sent again none is forgotten for those behind them.
const MOST = 50;
const PAUSE = 1000;

/**
 * How many requests may be unanswered, and when none may be sent. A server's rate limit is not known, and a connection that
 * it refuses too often in a row is closed; so a few are asked at first, one more with each answer, and after a refusal one,
 * in a while.
 */
export class Pacer {
  #clock;
  #random;
  #onReady;
  #most = FIRST;
  #unanswered = 0;
  #pause = null;

  /** `onReady()` is called when a pause is over. */
  constructor({ clock, random, onReady }) {
    this.#clock = clock;
    this.#random = random;
    this.#onReady = onReady;
  }

  /** Nothing at all may be sent for now. */
  get isPausing() {
    return this.#pause !== null;
  }

  get mayAsk() {
    return this.#pause === null && this.#unanswered < this.#most;
  }

  asked() {
    this.#unanswered += 1;
  }

  answered() {
    this.#unanswered -= 1;
    this.#most = Math.min(this.#most + 1, MOST);
  }

  /** Something was refused because of the rate. */
  limited() {
    this.#most = 1;
    this.#clock.clearTimeout(this.#pause);
    this.#pause = this.#clock.setTimeout(() => {
      this.#pause = null;
      this.#onReady();
    }, PAUSE * (1 + this.#random()));
  }

  /** The connection is gone, and with it what was asked on it. */
  cut() {
    this.#clock.clearTimeout(this.#pause);
    this.#pause = null;
    this.#unanswered = 0;
    this.#most = FIRST;
  }
}
