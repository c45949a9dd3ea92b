// SPDX-License-Identifier: MIT
import { SwitchboardError, closed, unknownOutcome } from './errors.js';

/**
 * What may be done with a request whose answer had not come when the connection ended.
 * sameSession: sent again where its session is found, because that session remembers publish ids. always: a mere
 * question. never: it may have been carried out, and a second time would be wrong.
 */
export const Repeat = Object.freeze({ sameSession: 'same-session', always: 'always', never: 'never' });

/** A session remembers the ids of its last 100 publishes; more than that unanswered could be delivered twice. */
const MOST_UNANSWERED_PUBLISHES = 100;

/** Keeps what is to be sent in order, what was sent until its answer comes, and the promises of both. */
export class Outbox {
  #write;
  #mostQueued;
  #mostQueuedBytes;
  #queue = [];
  #queuedBytes = 0;
  #unanswered = new Map();
  #unansweredPublishes = 0;
  #keys = new Set();
  #isOpen = false;

  /** `write(frame)` hands a frame to the socket and returns false when the socket does not take it. */
  constructor({ write, mostQueued, mostQueuedBytes }) {
    this.#write = write;
    this.#mostQueued = mostQueued;
    this.#mostQueuedBytes = mostQueuedBytes;
  }

  get queued() {
    return this.#queue.length;
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
      this.#queue.push({ frame, size, key, repeat, resolve, reject });
      this.#queuedBytes += size;
      if (key !== null) this.#keys.add(key);
      this.#flush();
      if (this.#queue.length > this.#mostQueued || this.#queuedBytes > this.#mostQueuedBytes) this.#refuseNewest();
    });
    // A caller that does not care about the outcome must not end a Node process by that.
    promise.catch(() => {});
    return promise;
  }

  /** The connection is there. */
  open(sessionFound) {
    this.#isOpen = true;
    for (const entry of [...this.#unanswered.values()]) {
      if (sessionFound) this.#write(entry.frame);
      else this.#take(entry.key).reject(unknownOutcome());
    }
    this.#flush();
  }

  /** The connection is gone, perhaps not for long. */
  cut() {
    this.#isOpen = false;
    const askAgain = [];
    for (const entry of [...this.#unanswered.values()]) {
      if (entry.repeat === Repeat.sameSession) continue;
      this.#take(entry.key);
      if (entry.repeat === Repeat.never) {
        entry.reject(unknownOutcome());
        continue;
      }
      this.#keys.add(entry.key);
      this.#queuedBytes += entry.size;
      askAgain.push(entry);
    }
    this.#queue.unshift(...askAgain);
  }

  /** The client has stopped: nothing is sent any more. */
  stop() {
    this.#isOpen = false;
    for (const entry of this.#unanswered.values()) entry.reject(unknownOutcome());
    for (const entry of this.#queue) entry.reject(closed());
    this.#unanswered.clear();
    this.#unansweredPublishes = 0;
    this.#keys.clear();
    this.#queue = [];
    this.#queuedBytes = 0;
  }

  /** Takes in an answer or an error; false when nobody asked for it. */
  settle(key, frame) {
    const entry = this.#take(key);
    if (entry === null) return false;
    if (frame.type === 'error') entry.reject(SwitchboardError.fromFrame(frame));
    else entry.resolve(frame);
    this.#flush();
    return true;
  }

  #take(key) {
    const entry = this.#unanswered.get(key);
    if (entry === undefined) return null;
    this.#unanswered.delete(key);
    this.#keys.delete(key);
    if (entry.repeat === Repeat.sameSession) this.#unansweredPublishes -= 1;
    return entry;
  }

  #flush() {
    while (this.#isOpen && this.#queue.length > 0) {
      const entry = this.#queue[0];
      const isPublish = entry.repeat === Repeat.sameSession;
      if (isPublish && this.#unansweredPublishes >= MOST_UNANSWERED_PUBLISHES) return;
      if (!this.#write(entry.frame)) return;
      this.#queue.shift();
      this.#queuedBytes -= entry.size;
      if (isPublish) this.#unansweredPublishes += 1;
      if (entry.key === null) entry.resolve();
      else this.#unanswered.set(entry.key, entry);
    }
  }

  #refuseNewest() {
    const entry = this.#queue.pop();
    this.#queuedBytes -= entry.size;
    this.#keys.delete(entry.key);
    entry.reject(new SwitchboardError('queue-full', 'Too much is waiting to be sent; this was not.'));
  }
}
