// SPDX-License-Identifier: MIT
import { Backoff } from './backoff.js';
import { decodeBinary, encodeBinary } from './binary.js';
import { Channels } from './channels.js';
import { Emitter } from './emitter.js';
import { systemClock, systemEnvironment } from './environment.js';
import { SwitchboardError, closed, isRateLimited } from './errors.js';
import { checkChannel, checkFrame, checkId } from './frames.js';
import { Lifecycle } from './lifecycle.js';
import { Outbox, Repeat } from './outbox.js';
import { Pacer } from './pacer.js';
import { Session } from './session.js';

const defaults = Object.freeze({
  connectTimeout: 10_000,
  silenceTimeout: 60_000,
  pingTimeout: 5_000,
  stableAfter: 5_000,
  acknowledgeEvery: 50,
  maxQueued: 1_000,
  maxQueuedBytes: 16 * 1024 * 1024,
});

function webSocketUrl(url) {
  const parsed = new URL(url, globalThis.location?.href);
  if (parsed.protocol === 'http:') parsed.protocol = 'ws:';
  if (parsed.protocol === 'https:') parsed.protocol = 'wss:';
  if (parsed.protocol !== 'ws:' && parsed.protocol !== 'wss:') throw new TypeError(`not a WebSocket URL: ${url}`);
  parsed.hash = '';
  return parsed.href;
}

function parseObject(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

/** A connection to a switchboard server that comes back, and tells what was lost, if anything was. See index.d.ts. */
export class ReconnectingWebSocket {
  #url;
  #events = new Emitter();
  #session;
  #lifecycle;
  #pacer;
  #outbox;
  #channels;
  #acknowledgeEvery;
  #acknowledged = 0;
  #isGathering = false; // what is to be sent on a new connection
  #idPrefix;
  #lastId = 0;

  constructor(url, options = {}) {
    const settings = { ...defaults };
    for (const name of Object.keys(defaults)) settings[name] = options[name] ?? defaults[name];
    const { clock = systemClock, environment = systemEnvironment, random = Math.random } = options;
    const WebSocket = options.WebSocket ?? globalThis.WebSocket;
    if (typeof WebSocket !== 'function') {
      throw new TypeError('There is no WebSocket here; give one as options.WebSocket (in Node: the package `ws`).');
    }
    this.#url = webSocketUrl(url);
    this.#session = new Session(options.resume);
    this.#acknowledgeEvery = settings.acknowledgeEvery;
    // Ids must be unlike those of an earlier page that had the same session: the server remembers them.
    this.#idPrefix = random().toString(36).slice(2, 10);
    const backoff = new Backoff({ ...options.backoff, random });
    this.#lifecycle = new Lifecycle(
      { ...settings, WebSocket, clock, environment, backoff },
      options.token,
      this.#lifecycleHooks(),
    );
    const write = (frame) => this.#lifecycle.write(frame);
    const pacer = new Pacer({ clock, random, onReady: () => this.#flush() });
    this.#pacer = pacer;
    const flush = () => this.#flush();
    this.#outbox = new Outbox({ write, pacer, onAdded: flush, mostQueued: settings.maxQueued, mostQueuedBytes: settings.maxQueuedBytes });
    this.#channels = new Channels({
      write, pacer, nextId: () => this.#nextId(), onWaiting: flush, onRevoked: (event) => this.#events.emit('unsubscribed', event),
    });
    // Later, so that listeners can be there before the first event.
    if (!options.startClosed) queueMicrotask(() => { if (this.state === 'idle') this.connect(); });
  }

  get state() { return this.#lifecycle.state; }
  get session() { return this.#session.id; }
  get lastSeq() { return this.#session.lastSeq; }
  get queued() { return this.#outbox.queued; }
  get channels() { return this.#channels.names; }

  on(name, listener) { return this.#events.on(name, listener); }
  off(name, listener) { this.#events.off(name, listener); }

  connect() { this.#lifecycle.connect(); }
  suspend() { this.#lifecycle.suspend(); }
  setToken(token) { this.#lifecycle.token = token; }

  close(code = 1000, reason = '') {
    if (this.state === 'closed') return;
    this.#lifecycle.stop({ code, reason }, code);
  }

  subscribe(channel, handler, options) {
    return this.#unlessClosed(() => this.#channels.subscribe(channel, handler, options));
  }

  unsubscribe(channel, handler) {
    const promise = this.#channels.unsubscribe(channel, handler);
    if (this.state === 'closed') this.#channels.stop(); // nobody will answer
    return promise;
  }

  publish(channel, data) {
    return this.#unlessClosed(() => {
      checkChannel(channel);
      const text = JSON.stringify(data); // now, so that a repetition has the same bytes whatever became of the object
      if (text === undefined) throw new TypeError('what is published must have a JSON form');
      const key = JSON.stringify(this.#nextId());
      const frame = `{"action":"publish","channel":${JSON.stringify(channel)},"data":${text},"id":${key}}`;
      return this.#outbox.add(checkFrame(frame), { key, repeat: Repeat.sameSession });
    });
  }

  presence(channel) {
    return this.#unlessClosed(() => {
      checkChannel(channel);
      const id = this.#nextId();
      const frame = JSON.stringify({ action: 'presence', channel, id });
      return this.#outbox.add(frame, { key: JSON.stringify(id), repeat: Repeat.always });
    });
  }

  send(message) {
    return this.#unlessClosed(() => {
      if (typeof message !== 'object' || message === null || Array.isArray(message)) {
        throw new TypeError('send takes an object');
      }
      const key = message.id === undefined ? null : checkId(message.id);
      const isHeartbeat = message.action === undefined && (message.type === 'ping' || message.type === 'pong');
      const frame = JSON.stringify(message);
      if (isHeartbeat || !frame.startsWith('{')) throw new TypeError('that is no message to an application');
      return this.#outbox.add(checkFrame(frame), { key });
    });
  }

  sendBinary(type, payload) {
    return this.#unlessClosed(() => this.#outbox.add(encodeBinary(type, payload)));
  }

  /** What `action` throws becomes a rejection, which a caller that does not care about the outcome may ignore. */
  #unlessClosed(action) {
    try {
      if (this.state === 'closed') throw closed();
      return action();
    } catch (error) {
      const promise = Promise.reject(error);
      promise.catch(() => {});
      return promise;
    }
  }

  /** Sends what may be sent, in the order in which it was asked for. */
  #flush() {
    if (this.#isGathering || this.state !== 'connected') return undefined;
    for (;;) {
      const channel = this.#channels.nextOrder;
      const other = this.#outbox.nextOrder;
      if (channel === Infinity && other === Infinity) return this.#pacer.drained();
      if (!(channel < other ? this.#channels.askNext() : this.#outbox.sendNext())) return undefined;
    }
  }

  #nextId() {
    this.#lastId += 1;
    return `${this.#idPrefix}-${this.#lastId}`;
  }

  #lifecycleHooks() {
    return {
      address: (token) => this.#address(token),
      readWelcome: (data) => this.#readWelcome(data),
      onWelcome: (welcome) => this.#welcomed(welcome),
      onFrame: (data) => (typeof data === 'string' ? this.#receiveText(data) : this.#receiveBinary(data)),
      onState: (change) => {
        if (change.state === 'closed') {
          this.#outbox.stop();
          this.#channels.stop();
        }
        this.#events.emit('state', change);
      },
      onDown: () => {
        this.#pacer.cut();
        this.#outbox.cut();
        this.#channels.cut();
      },
      onForget: () => this.#session.forget(),
      onReplaced: () => this.#events.emit('replaced', {}),
      onBreach: ({ code, reason }) => this.#report(`the server closed the connection: ${code} ${reason}`, { closeCode: code }),
    };
  }

  /** Not URLSearchParams: that writes a space as "+", and to the server a plus is a plus. */
  #address(token) {
    const query = new Map();
    if (token !== undefined && token !== null) query.set('token', String(token));
    this.#session.addTo(query);
    const text = [...query].map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&');
    return `${this.#url}${this.#url.includes('?') ? '&' : '?'}${text}`;
  }

  #readWelcome(data) {
    const frame = typeof data === 'string' ? parseObject(data) : null;
    return frame?.type === 'welcome' && typeof frame.session === 'string' ? frame : null;
  }

  #welcomed(welcome) {
    const { found, isFirst, replayed, missed } = this.#session.begin(welcome);
    this.#acknowledged = this.#session.lastSeq;
    this.#isGathering = true;
    this.#channels.open(found);
    this.#outbox.open(found);
    this.#isGathering = false;
    this.#flush();
    this.#events.emit('state', { state: 'connected', previous: 'connecting', isFirst, isSameSession: found, replayed, missed });
    if (missed !== 0) this.#events.emit('gap', { reason: 'away', missed, channels: null, isSameSession: found });
    else if (!isFirst) this.#events.emit('recovered', { replayed });
  }

  #receiveText(text) {
    const frame = parseObject(text);
    if (frame === null) this.#report('a text frame was not a JSON object');
    else if (frame.seq !== undefined) this.#receiveNumbered(frame);
    else this.#receiveControl(frame);
  }

  #receiveControl(frame) {
    if (frame.type === 'ping') return this.#acknowledge();
    if (frame.type === 'pong') return undefined;
    if (frame.id !== undefined) {
      if (this.#channels.settle(frame.id, frame) || this.#outbox.settle(JSON.stringify(frame.id), frame)) return this.#flush();
    }
    if (isRateLimited(frame)) this.#pacer.limited();
    if (frame.type === 'error') return this.#events.emit('error', SwitchboardError.fromFrame(frame));
    // One with an id answers what was asked on an earlier connection, and was asked anew.
    if (frame.status === 'unsubscribed' && frame.id === undefined) return this.#channels.revoke(frame.channel, frame.code);
    return undefined; // a second answer to a publish that was sent twice
  }

  #receiveNumbered(frame) {
    const isGap = frame.type === 'gap';
    const count = this.#session.accept(frame.seq);
    if (!count.fresh) return;
    if (isGap && frame.reason === 'slow') {
      // It stands in the place of the last message dropped, so the jump and the place itself are the loss.
      this.#events.emit('gap', { reason: 'slow', missed: count.missed + 1, channels: null, isSameSession: true });
      return this.#acknowledgeSometimes();
    }
    if (count.missed > 0) this.#reportJump(count.missed);
    if (isGap) {
      const { reason, channels = null } = frame;
      this.#events.emit('gap', { reason, missed: frame.missed ?? null, channels, isSameSession: true });
    } else if (frame.type === 'join' || frame.type === 'leave') {
      const event = { ...frame, replayed: count.replayed };
      this.#events.emit('presence', event);
      this.#channels.deliverPresence(event);
    } else {
      const message = { ...frame, replayed: count.replayed };
      this.#events.emit('message', message);
      if (frame.type === 'message') this.#channels.deliver(message);
    }
    return this.#acknowledgeSometimes();
  }

  #receiveBinary(data) {
    let frame;
    try {
      frame = decodeBinary(data);
    } catch (error) {
      this.#events.emit('error', error);
      return;
    }
    const count = this.#session.accept(frame.seq);
    if (!count.fresh) return;
    if (count.missed > 0) this.#reportJump(count.missed);
    this.#events.emit('binary', { ...frame, replayed: count.replayed });
    this.#acknowledgeSometimes();
  }

  #reportJump(missed) {
    this.#events.emit('gap', { reason: 'sequence', missed, channels: null, isSameSession: true });
  }

  #report(text, details) {
    this.#events.emit('error', new SwitchboardError('protocol', text, details));
  }

  /** A pong with our number: it answers a ping, and lets the server let go of what we have. */
  #acknowledge() {
    const seq = this.#session.lastSeq;
    if (this.#lifecycle.write(seq > 0 ? `{"type":"pong","seq":${seq}}` : '{"type":"pong"}')) this.#acknowledged = seq;
  }

  #acknowledgeSometimes() {
    if (this.#session.lastSeq - this.#acknowledged >= this.#acknowledgeEvery) this.#acknowledge();
  }
}
