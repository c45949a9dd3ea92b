// SPDX-License-Identifier: MIT
import { SwitchboardError, closed, isRateLimited, unknownOutcome } from './errors.js';

/**
 * What may be done with a request whose answer had not come when the connection ended.
 * sameSession: sent again where its session is found, because that session remembers publish ids. always: a mere
 * question. never: it may have been carried out, and a second time would be wrong.
 */
export const Repeat = Object.freeze({ sameSession: 'same-session', always: 'always', never: 'never' });

/**
 * Keeps what is to be sent, in order, what was sent until its answer comes, and the promises of both. What is refused because
 * of the rate was not done, and is sent again when the pacer allows it, but for an App's own.
 */
export class Outbox {
  #write;
  #pacer;
  #onAdded;
  #mostQueued;
  #mostQueuedBytes;
  #queue = []; // in the order of `order`
  #queued = 0; // those of them that were never sent, which alone count
  #queuedBytes = 0;
  #unanswered = new Map();
  #keys = new Set();
  #isOpen = false;

  /**
   * `write(frame)` hands a frame to the socket and returns false when the socket does not take it. `onAdded()` is to call
   * `sendNext` when it is this queue's turn.
   */
  constructor({ write, pacer, onAdded, mostQueued, mostQueuedBytes }) {
    this.#write = write;
    this.#pacer = pacer;
    this.#onAdded = onAdded;
    this.#mostQueued = mostQueued;
    this.#mostQueuedBytes = mostQueuedBytes;
  }

  get queued() {
    return this.#queued;
  }

  get unanswered() {
    return this.#unanswered.size;
  }

  /** Without a key no answer is expected, and the promise is kept as soon as the socket has the frame. */
  add(frame, { key = null, repeat = Repeat.never } = {}) {
    const promise = new Promise((resolve, reject) => {
      const size = typeof frame === 'string' ? frame.length : frame.byteLength;
      if (key !== null && this.#keys.has(key)) {
        reject(new SwitchboardError('duplicate-id', 'Another request with this id is still unanswered.'));
        return;
      }
      const order = this.#pacer.nextOrder();
      this.#queue.push({ frame, size, key, repeat, resolve, reject, order, wasSent: false, mayBeDone: false });
      this.#queued += 1;
      this.#queuedBytes += size;
      if (key !== null) this.#keys.add(key);
      this.#onAdded();
      if (this.#queued > this.#mostQueued || this.#queuedBytes > this.#mostQueuedBytes) this.#refuseNewest();
    });
    // A caller that does not care about the outcome must not end a Node process by that.
    promise.catch(() => {});
    return promise;
  }

  /** The connection is there. */
  open(sessionFound) {
    this.#isOpen = true;
    if (!sessionFound) {
      const lost = this.#queue.filter(({ mayBeDone }) => mayBeDone);
      this.#queue = this.#queue.filter(({ mayBeDone }) => !mayBeDone);
      for (const entry of lost) {
        this.#keys.delete(entry.key);
        entry.reject(unknownOutcome());
      }
    }
  }

  /** The connection is gone, perhaps not for long. */
  cut() {
    this.#isOpen = false;
    const cutOff = [...this.#unanswered.values()];
    this.#unanswered.clear();
    for (const entry of cutOff) {
      if (entry.repeat === Repeat.never) {
        this.#keys.delete(entry.key);
        entry.reject(unknownOutcome());
      } else {
        entry.mayBeDone = entry.repeat === Repeat.sameSession;
        this.#putBack(entry);
      }
    }
  }

  /** The client has stopped: nothing is sent any more. */
  stop() {
    this.#isOpen = false;
    for (const entry of this.#unanswered.values()) entry.reject(unknownOutcome());
    for (const entry of this.#queue) entry.reject(entry.mayBeDone ? unknownOutcome() : closed());
    this.#unanswered.clear();
    this.#keys.clear();
    this.#queue = [];
    this.#queued = 0;
    this.#queuedBytes = 0;
  }

  /** Takes in an answer or an error; false when nobody asked for it. */
  settle(key, frame) {
    const entry = this.#unanswered.get(key);
    if (entry === undefined) return false;
    this.#unanswered.delete(key);
    const isPaced = entry.repeat !== Repeat.never;
    if (isPaced) this.#pacer.answered();
    if (isRateLimited(frame)) {
      this.#pacer.limited();
      if (isPaced) {
        this.#putBack(entry);
        return true;
      }
    }
    this.#keys.delete(key);
    if (frame.type === 'error') entry.reject(SwitchboardError.fromFrame(frame));
    else entry.resolve(frame);
    return true;
  }

  /** The place of what is to be sent next; Infinity if there is nothing. */
  get nextOrder() {
    return this.#queue[0]?.order ?? Infinity;
  }

  /** Sends it; false if it may not be sent yet. */
  sendNext() {
    const entry = this.#queue[0];
    // An App may take as long as it likes over what is its own.
    const isPaced = entry.repeat !== Repeat.never;
    if (!this.#isOpen || (isPaced ? !this.#pacer.mayAsk : this.#pacer.isPausing)) return false;
    if (!this.#write(entry.frame)) return false;
    this.#queue.shift();
    this.#leave(entry);
    entry.wasSent = true;
    if (isPaced) this.#pacer.asked();
    if (entry.key === null) entry.resolve();
    else this.#unanswered.set(entry.key, entry);
    return true;
  }

  /** To where it was, before all that was added later. */
  #putBack(entry) {
    const later = this.#queue.findIndex(({ order }) => order > entry.order);
    this.#queue.splice(later === -1 ? this.#queue.length : later, 0, entry);
  }

  #leave({ wasSent, size }) {
    if (wasSent) return;
    this.#queued -= 1;
    this.#queuedBytes -= size;
  }

  #refuseNewest() {
    const entry = this.#queue.pop();
    this.#leave(entry);
    this.#keys.delete(entry.key);
    entry.reject(new SwitchboardError('queue-full', 'Too much is waiting to be sent; this was not.'));
  }
}
