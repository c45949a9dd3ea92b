// SPDX-License-Identifier: MIT
import { callSafely } from './emitter.js';
import { SwitchboardError, closed, isRateLimited } from './errors.js';
import { checkChannel } from './frames.js';

/** What the server is known to hold of a channel. `unknown`: a request was cut off before its answer. */
const Held = Object.freeze({ none: 'none', subscribed: 'subscribed', unknown: 'unknown' });

/**
 * Brings what the server holds in line with what the owner wants, one request per channel at a time: after every answer
 * and every new connection the two are compared, and the difference is the next request, when its turn comes.
 */
export class Channels {
  #write;
  #nextId;
  #pacer;
  #onWaiting;
  #onRevoked;
  #channels = new Map();
  #requests = new Map();
  #waiting = new Map(); // channels that have something to ask, in the order of their places
  #newestWaiting = 0; // no place among them is behind this one
  #isOpen = false;

  /** `onWaiting()` is to call `askNext` when it is a channel's turn. */
  constructor({ write, nextId, pacer, onWaiting, onRevoked }) {
    this.#write = write;
    this.#nextId = nextId;
    this.#pacer = pacer;
    this.#onWaiting = onWaiting;
    this.#onRevoked = onRevoked;
  }

  /** The channels that have a handler. */
  get names() {
    return [...this.#channels.values()].filter((channel) => channel.members.size > 0).map(({ name }) => name);
  }

  subscribe(name, handler, { presence = false } = {}) {
    checkChannel(name);
    if (typeof handler !== 'function') throw new TypeError('subscribe needs a handler');
    const channel = this.#channels.get(name) ?? {
      name, members: new Set(), waiters: [], held: Held.none, hasPresence: false, request: null, order: 0, answer: null,
    };
    this.#channels.set(name, channel);
    const member = { handler, presence, isConfirmed: false };
    channel.members.add(member);
    return this.#wait(channel, member);
  }

  /** Without a handler all of the channel's handlers go. */
  unsubscribe(name, handler) {
    const channel = this.#channels.get(name);
    if (channel === undefined) return Promise.resolve({ status: 'unsubscribed', channel: name });
    const gone = [...channel.members].filter((member) => handler === undefined || member.handler === handler);
    this.#remove(channel, gone, new SwitchboardError('unsubscribed', 'Unsubscribed before the answer came.'));
    return this.#wait(channel, null);
  }

  open(sessionFound) {
    this.#isOpen = true;
    for (const channel of [...this.#channels.values()]) {
      if (!sessionFound) {
        channel.held = Held.none;
        channel.hasPresence = false;
      }
      this.#reconcile(channel, 0); // before all else: what is published may be meant to be heard
    }
  }

  cut() {
    this.#isOpen = false;
    this.#requests.clear();
    this.#waiting.clear();
    for (const channel of this.#channels.values()) {
      if (channel.request === null) continue;
      channel.request = null;
      channel.held = Held.unknown;
      channel.hasPresence = false;
    }
  }

  /** What was confirmed stays wanted, for a later connect(). */
  stop() {
    this.cut();
    for (const channel of [...this.#channels.values()]) {
      this.#remove(channel, [...channel.members].filter((member) => !member.isConfirmed), closed());
      for (const waiter of channel.waiters.splice(0)) waiter.reject(closed());
      if (channel.members.size === 0 && channel.held === Held.none) this.#forget(channel);
    }
  }

  /** Takes in an answer or an error; false when it answers no request of a channel. */
  settle(id, frame) {
    const channel = this.#requests.get(id);
    if (channel === undefined) return false;
    this.#requests.delete(id);
    const request = channel.request;
    channel.request = null;
    this.#pacer.answered();
    if (isRateLimited(frame)) {
      this.#pacer.limited(); // not done: asked again later, in its place
      this.#reconcile(channel, channel.order);
      return true;
    }
    if (frame.type === 'error') {
      this.#failed(channel, request, frame);
    } else {
      channel.held = request.action === 'subscribe' ? Held.subscribed : Held.none;
      channel.hasPresence = request.action === 'subscribe' && request.presence;
      channel.answer = frame;
    }
    if (channel.held === Held.none) this.#resolveUnsubscribers(channel);
    this.#reconcile(channel);
    return true;
  }

  /** The place of what is to be asked next; Infinity if there is nothing. */
  get nextOrder() {
    for (const order of this.#waiting.values()) return order;
    return Infinity;
  }

  /** Asks it; false if it may not be asked yet. */
  askNext() {
    const [[channel, order]] = this.#waiting;
    if (channel.request !== null || !this.#pacer.mayAsk) return false;
    this.#waiting.delete(channel);
    channel.order = order;
    this.#ask(channel, this.#difference(channel));
    return true;
  }

  /** The server took a subscription away without being asked. */
  revoke(name, code) {
    const channel = this.#channels.get(name);
    if (channel === undefined) return;
    channel.held = Held.none;
    channel.hasPresence = false;
    this.#revoke(channel, new SwitchboardError(code ?? 'unsubscribed', 'The server ended this subscription.'));
    this.#reconcile(channel);
  }

  deliver(message) {
    for (const { handler } of this.#membersOf(message.channel)) callSafely(handler, message.data, message);
  }

  deliverPresence(event) {
    for (const { presence } of this.#membersOf(event.channel)) {
      if (typeof presence === 'function') callSafely(presence, event);
    }
  }

  #membersOf(name) {
    return [...(this.#channels.get(name)?.members ?? [])];
  }

  #wait(channel, member) {
    const promise = new Promise((resolve, reject) => channel.waiters.push({ member, resolve, reject }));
    promise.catch(() => {}); // as in the outbox: not caring is allowed
    this.#reconcile(channel);
    return promise;
  }

  #reconcile(channel, order = this.#pacer.nextOrder()) {
    if (this.#difference(channel) === null) {
      this.#waiting.delete(channel);
      if (channel.request === null) this.#settled(channel);
    } else if (this.#isOpen && !this.#waiting.has(channel)) {
      if (this.#waiting.size === 0) this.#newestWaiting = order;
      this.#waiting.set(channel, order);
      if (order >= this.#newestWaiting) this.#newestWaiting = order;
      else this.#waiting = new Map([...this.#waiting].sort(([, a], [, b]) => a - b));
      this.#onWaiting();
    }
  }

  /** Between what is wanted and what the server will hold once it has answered. */
  #difference({ members, request, held, hasPresence }) {
    const willHold = request === null ? held : request.action === 'subscribe' ? Held.subscribed : Held.none;
    const willHavePresence = request === null ? hasPresence : request.presence;
    if (members.size === 0) return willHold === Held.none ? null : 'unsubscribe';
    const wantsPresence = [...members].some((member) => member.presence !== false);
    const isEnough = willHold === Held.subscribed && (willHavePresence || !wantsPresence);
    return isEnough ? null : 'subscribe';
  }

  #ask(channel, action) {
    const id = this.#nextId();
    const presence = action === 'subscribe' && [...channel.members].some((member) => member.presence !== false);
    const frame = { action, channel: channel.name, ...(presence ? { presence: true } : {}), id };
    channel.request = { action, presence };
    this.#requests.set(id, channel);
    this.#pacer.asked();
    this.#write(JSON.stringify(frame)); // one that is not taken is asked again with the next connection
  }

  #settled(channel) {
    this.#resolveUnsubscribers(channel);
    // While there is no connection nobody knows whether there will be the same session.
    if (!this.#isOpen && channel.members.size > 0) return;
    for (const { member, resolve } of channel.waiters.splice(0)) {
      member.isConfirmed = true;
      resolve(channel.answer);
    }
    if (channel.members.size === 0) this.#forget(channel);
  }

  /** Its owner may have made another of that name meanwhile. */
  #forget(channel) {
    if (this.#channels.get(channel.name) === channel) this.#channels.delete(channel.name);
  }

  #resolveUnsubscribers(channel) {
    const left = [];
    for (const waiter of channel.waiters.splice(0)) {
      if (waiter.member === null) waiter.resolve({ status: 'unsubscribed', channel: channel.name });
      else left.push(waiter);
    }
    channel.waiters = left;
  }

  #failed(channel, request, frame) {
    const error = SwitchboardError.fromFrame(frame);
    if (request.action === 'unsubscribe') {
      channel.held = Held.none; // nothing better is to be had; messages of it find no handler
    } else if (channel.held === Held.subscribed) {
      // Only what was newly asked for (presence) failed.
      const waiting = channel.waiters.map(({ member }) => member);
      this.#remove(channel, waiting, error);
    } else {
      channel.held = Held.none;
      this.#revoke(channel, error);
    }
  }

  #revoke(channel, error) {
    const wasConfirmed = [...channel.members].some((member) => member.isConfirmed);
    this.#remove(channel, [...channel.members], error);
    if (wasConfirmed) this.#onRevoked({ channel: channel.name, code: error.code });
  }

  #remove(channel, members, error) {
    for (const member of members) channel.members.delete(member);
    const left = [];
    for (const waiter of channel.waiters.splice(0)) {
      if (members.includes(waiter.member)) waiter.reject(error);
      else left.push(waiter);
    }
    channel.waiters = left;
  }
}
