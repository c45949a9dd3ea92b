// SPDX-License-Identifier: MIT

// Half of the publish ids that a session remembers: of those that are sent again none is forgotten for those behind them.
const MOST = 50;
const FIRST = 4;
const GROWTH = 1 / 4; // with each answer: what is under way when a limit of 6 or more is reached is less than that limit
const PAUSE = 500; // up to twice that: no longer than a limit's worth of messages takes to be allowed again

/**
 * In which order, and how many at once, requests are made. A server's rate limit is not known, and a connection that it
 * refuses as often in a row as it would take messages in a second is closed. So of what has gathered for a new connection
 * few are unanswered at first, and more as answers come; once a refusal has told that there is a limit that is so for good,
 * from one on and after a pause.
 */
export class Pacer {
  #clock;
  #random;
  #onReady;
  #lastOrder = 0;
  #most = FIRST;
  #wasLimited = false;
  #unanswered = 0;
  #pause = null;

  /** `onReady()` is called when a pause is over. */
  constructor({ clock, random, onReady }) {
    this.#clock = clock;
    this.#random = random;
    this.#onReady = onReady;
  }

  /** A place behind all that were given out. */
  nextOrder() {
    this.#lastOrder += 1;
    return this.#lastOrder;
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
    this.#most = Math.min(this.#most + GROWTH, this.#wasLimited ? FIRST : MOST);
  }

  /** Nothing waits any more; what comes now comes as its owner makes it. */
  drained() {
    if (!this.#wasLimited) this.#most = MOST;
  }

  /** Something was refused because of the rate. */
  limited() {
    this.#wasLimited = true;
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
    this.#most = Math.min(this.#most, FIRST);
  }
}
