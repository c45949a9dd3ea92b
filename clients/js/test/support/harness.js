// SPDX-License-Identifier: MIT
// A client with scripted surroundings: time stands still until a test moves it, and sockets do what the test says.
import { ReconnectingWebSocket } from '../../src/index.js';

export class FakeClock {
  #now = 0;
  #timers = new Map();
  #lastTimer = 0;
  longestDelay = Infinity;

  now = () => this.#now;

  setTimeout = (callback, delay) => {
    this.#lastTimer += 1;
    this.#timers.set(this.#lastTimer, { callback, at: this.#now + Math.min(delay, this.longestDelay) });
    return this.#lastTimer;
  };

  clearTimeout = (timer) => { this.#timers.delete(timer); };

  get pending() { return this.#timers.size; }

  /** Fires what is due, in order, letting promises run in between. */
  async advance(milliseconds) {
    const end = this.#now + milliseconds;
    for (;;) {
      const due = [...this.#timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at)[0];
      if (due === undefined) break;
      const [timer, { callback, at }] = due;
      this.#timers.delete(timer);
      this.#now = Math.max(this.#now, at);
      callback();
      await settled();
    }
    this.#now = end;
  }

  /** As a suspended machine does it: time has passed, and no timer has fired. */
  freeze(milliseconds) { this.#now += milliseconds; }
}

/** Everything that is ready to run has run. */
export const settled = () => new Promise((resolve) => { setImmediate(resolve); });

export class FakeEnvironment {
  online = true;
  callbacks = null;

  isOnline() { return this.online; }

  listen(callbacks) {
    this.callbacks = callbacks;
    return () => { this.callbacks = null; };
  }

  goOffline() {
    this.online = false;
    this.callbacks?.offline();
  }

  goOnline() {
    this.online = true;
    this.callbacks?.online();
  }
}

class FakeSocket {
  readyState = 0;
  sent = [];
  closedWith = null;
  onmessage = null;
  onclose = null;
  onerror = null;

  constructor(url) { this.url = new URL(url); }

  send(frame) {
    if (this.readyState !== 1) throw new Error('sent on a socket that is not open');
    this.sent.push(typeof frame === 'string' ? JSON.parse(frame) : frame);
  }

  close(...how) {
    this.readyState = 2;
    this.closedWith = how;
  }

  // What the test makes the server do:
  open() { this.readyState = 1; }
  receive(object) { this.onmessage?.({ data: JSON.stringify(object) }); }
  receiveText(data) { this.onmessage?.({ data }); }
  receiveBinary(type, seq, bytes) {
    const frame = new Uint8Array(12 + bytes.length);
    const view = new DataView(frame.buffer);
    view.setUint32(0, type);
    view.setBigUint64(4, BigInt(seq));
    frame.set(bytes, 12);
    this.onmessage?.({ data: frame.buffer });
  }
  end(code = 1006, reason = '') {
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }

  welcome(fields = {}) {
    this.open();
    this.receive({
      type: 'welcome', session: 's1', seq: 0, recovered: false, replayed: 0, missed: 0,
      heartbeat: { interval_ms: 30_000, timeout_ms: 60_000 }, ...fields,
    });
  }

  query(name) { return this.url.searchParams.get(name); }
  of(action) { return this.sent.filter((frame) => frame.action === action); }
  answerAll(action, status) {
    for (const { channel, id } of this.of(action)) this.receive({ status, channel, id });
  }
}

const eventNames = ['message', 'binary', 'presence', 'recovered', 'gap', 'replaced', 'state', 'unsubscribed', 'error'];

/** The client, its sockets, and every event it has raised. `random` is 0.5 unless given. */
export async function start(options = {}) {
  const sockets = [];
  const clock = new FakeClock();
  const environment = new FakeEnvironment();
  const WebSocket = class extends FakeSocket {
    constructor(url) {
      super(url);
      sockets.push(this);
    }
  };
  const client = new ReconnectingWebSocket('ws://example.test/ws', {
    token: 'ann', WebSocket, clock, environment, random: () => 0.5, startClosed: true, ...options,
  });
  const events = Object.fromEntries(eventNames.map((name) => [name, []]));
  for (const name of eventNames) client.on(name, (event) => events[name].push(event));
  client.connect();
  await settled();
  return {
    client, clock, environment, sockets, events,
    get socket() { return sockets.at(-1); },
    get lastState() { return events.state.at(-1); },
    /** Time enough for any single reconnect but the one after 1008. */
    async reconnect(welcome) {
      await clock.advance(client.state === 'waiting' ? this.lastState.delay : 0);
      this.socket.welcome(welcome);
      await settled();
    },
  };
}

/** What became of a promise so far. */
export async function outcome(promise) {
  const open = Symbol('open');
  await settled();
  return Promise.race([promise, Promise.resolve(open)]).then(
    (value) => (value === open ? { status: 'open' } : { status: 'kept', value }),
    (error) => ({ status: 'rejected', code: error.code, error }),
  );
}
