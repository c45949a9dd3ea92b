// SPDX-License-Identifier: MIT

/** The client's side of a session: its id, and the number up to which everything was delivered or reported lost. */
export class Session {
  #id;
  #lastSeq;
  #replayedUpTo = 0;

  constructor({ session = null, lastSeq = 0 } = {}) {
    this.#id = session;
    this.#lastSeq = lastSeq;
  }

  get id() {
    return this.#id;
  }

  get lastSeq() {
    return this.#lastSeq;
  }

  /** Writes what the server needs to find the session into the query of a URL. */
  addTo(query) {
    query.set('last_seq', String(this.#lastSeq));
    if (this.#id !== null) query.set('session', this.#id);
  }

  /**
   * Takes in a welcome. `found` tells whether this is the session that was asked for; `missed` is how many messages are
   * lost (null: nobody can tell), 0 for a client that had no session to lose.
   */
  begin(welcome) {
    const isFirst = this.#id === null && this.#lastSeq === 0;
    const found = this.#id !== null && welcome.session === this.#id;
    this.#replayedUpTo = welcome.seq;
    if (found) {
      // The loss is reported now; counting it as passed keeps a second cut from reporting it again.
      const missed = welcome.missed ?? 0;
      this.#lastSeq += missed;
      return { found, isFirst: false, replayed: welcome.replayed ?? 0, missed };
    }
    this.#id = welcome.session;
    this.#lastSeq = welcome.seq;
    return { found, isFirst, replayed: 0, missed: isFirst ? 0 : null };
  }

  /** Counts a numbered message. A number already passed is not fresh; a jump tells how many are missing. */
  accept(seq) {
    if (!Number.isSafeInteger(seq) || seq <= this.#lastSeq) return { fresh: false, missed: 0, replayed: false };
    const missed = seq - this.#lastSeq - 1;
    this.#lastSeq = seq;
    return { fresh: true, missed, replayed: seq <= this.#replayedUpTo };
  }

  forget() {
    this.#id = null;
    this.#lastSeq = 0;
    this.#replayedUpTo = 0;
  }
}
