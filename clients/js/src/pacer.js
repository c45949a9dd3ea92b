// SPDX-License-Identifier: MIT

const FIRST = 4;
const GROWTH = 1 / 4; // with each answer: what is under way when a limit of 6 or more is reached is less than that limit
// Half of the publish ids that a session remembers: of those that are sent again none is forgotten for those behind them.
const MOST = 50;
const PAUSE = 1000;

/**
 * How many requests may be unanswered, and when none may be sent. A server's rate limit is not known, and a connection that
 * it refuses as often in a row as it would take messages in a second is closed; so a few are asked at first, more as answers
 * come, and after a refusal one, in a while.
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
    return this.#pause === null && this.#unanswered + 1 <= this.#most;
  }

  asked() {
    this.#unanswered += 1;
  }

  answered() {
    this.#unanswered -= 1;
    this.#most = Math.min(this.#most + GROWTH, MOST);
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
