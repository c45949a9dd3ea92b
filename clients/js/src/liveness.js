// SPDX-License-Identifier: MIT

/**
 * Notices a server that has gone silent. It never judges by the clock alone: a tab that was frozen for an hour finds its
 * timers overdue and perhaps a perfectly good connection, so a ping of our own must stay unanswered first.
 */
export class Liveness {
  #clock;
  #sendPing;
  #onSilence;
  #timer = null;
  #lastHeard = 0;
  #isProbing = false;
  #quiet = 0;
  #patience = 0;

  constructor({ clock, sendPing, onSilence }) {
    this.#clock = clock;
    this.#sendPing = sendPing;
    this.#onSilence = onSilence;
  }

  /** Silence for `timeout` ends the connection; a ping goes out `patience` before that. Milliseconds. */
  start({ timeout, patience }) {
    this.#patience = Math.min(patience, timeout / 2);
    this.#quiet = timeout - this.#patience;
    this.heard();
    this.#arm(this.#quiet);
  }

  stop() {
    this.#clock.clearTimeout(this.#timer);
    this.#timer = null;
    this.#isProbing = false;
  }

  /** Anything at all came from the server. */
  heard() {
    this.#lastHeard = this.#clock.now();
    this.#isProbing = false;
  }

  /** Asks at once, because something (a network change, a tab that woke up) makes the connection doubtful. */
  probe() {
    if (this.#timer === null || this.#isProbing) return;
    this.#isProbing = true;
    this.#arm(this.#patience);
    this.#sendPing();
  }

  #arm(delay) {
    this.#clock.clearTimeout(this.#timer);
    this.#timer = this.#clock.setTimeout(() => this.#check(), delay);
  }

  #check() {
    if (this.#isProbing) {
      this.stop();
      this.#onSilence();
      return;
    }
    const left = this.#lastHeard + this.#quiet - this.#clock.now();
    if (left > 0) this.#arm(left);
    else this.probe();
  }
}
