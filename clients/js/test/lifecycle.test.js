// SPDX-License-Identifier: MIT
// When the client connects, waits, gives up and comes back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReconnectingWebSocket } from '../src/index.js';
import { outcome, settled, start } from './support/harness.js';

const states = (h) => h.events.state.map(({ state }) => state);

test('a connection goes from connecting to connected with the welcome, not with the open socket', async () => {
  const h = await start();
  h.socket.open();
  assert.equal(h.client.state, 'connecting');
  h.socket.welcome();
  assert.deepEqual(states(h), ['connecting', 'connected']);
});

test('delays grow while attempts fail, and start anew after a connection that held', async () => {
  const h = await start({ random: () => 1 });
  const delays = [];
  for (let count = 0; count < 7; count += 1) {
    h.socket.end();
    delays.push(h.lastState.delay);
    await h.clock.advance(h.lastState.delay);
  }
  assert.deepEqual(delays, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  h.socket.welcome();
  await h.clock.advance(5000);
  h.socket.end();
  assert.equal(h.lastState.delay, 1000);
});

test('a server that welcomes and throws out at once does not start the delays anew', async () => {
  const h = await start({ random: () => 1 });
  const delays = [];
  for (let count = 0; count < 3; count += 1) {
    h.socket.welcome();
    h.socket.end(1011);
    delays.push(h.lastState.delay);
    await h.clock.advance(h.lastState.delay);
  }
  assert.deepEqual(delays, [1000, 2000, 4000]);
});

test('an attempt without a welcome ends after the connect timeout', async () => {
  const h = await start();
  h.socket.open();
  await h.clock.advance(9_999);
  assert.equal(h.client.state, 'connecting');
  await h.clock.advance(1);
  assert.equal(h.client.state, 'waiting');
  assert.notEqual(h.socket.closedWith, null);
});

test('the token function is asked for each attempt', async () => {
  let count = 0;
  const h = await start({ token: () => `t${count += 1}` });
  h.socket.end();
  await h.clock.advance(500);
  assert.deepEqual(h.sockets.map((socket) => socket.query('token')), ['t1', 't2']);
});

test('a token function that fails is a failed attempt; one that never answers too; null stops', async () => {
  const answers = [() => { throw new Error('no'); }, () => Promise.reject(new Error('no')), () => new Promise(() => {}), () => null];
  const h = await start({ token: () => answers.shift()() });
  assert.equal(h.lastState.error.message, 'no');
  await h.clock.advance(500);
  assert.equal(h.client.state, 'waiting');
  await h.clock.advance(1000);
  assert.equal(h.client.state, 'connecting');
  await h.clock.advance(10_000);
  assert.equal(h.client.state, 'waiting');
  await h.clock.advance(10_000);
  assert.equal(h.client.state, 'closed');
  assert.equal(h.sockets.length, 0);
});

test('a token that comes after its attempt is not used', async () => {
  let give;
  const h = await start({ token: () => new Promise((resolve) => { give = resolve; }) });
  h.client.close();
  give('late');
  await settled();
  assert.equal(h.sockets.length, 0);
});

test('without a token none is sent', async () => {
  const h = await start({ token: undefined });
  assert.equal(h.socket.url.search, '?last_seq=0');
});

test('suspended it stays away; connect() resumes, and what was sent meanwhile follows', async () => {
  const h = await start();
  h.socket.welcome();
  h.client.suspend();
  assert.deepEqual([h.client.state, h.socket.closedWith], ['suspended', []]);
  const sent = h.client.publish('c', 1);
  await h.clock.advance(3_600_000);
  h.environment.goOnline();
  assert.equal(h.sockets.length, 1);
  h.client.connect();
  await h.reconnect({ recovered: true });
  assert.equal(h.socket.of('publish').length, 1);
  assert.equal((await outcome(sent)).status, 'open');
});

test('close() says so to the server, ends every timer, and keeps the session for a later connect()', async () => {
  const h = await start();
  h.socket.welcome();
  h.client.close(1000, 'bye');
  assert.deepEqual(h.socket.closedWith, [1000, 'bye']);
  assert.equal(h.client.state, 'closed');
  assert.equal(h.clock.pending, 0);
  h.client.connect();
  await settled();
  assert.equal(h.socket.query('session'), 's1');
});

test('close() while waiting, connecting or suspended ends it as well', async () => {
  for (const prepare of [(h) => h.socket.end(), () => {}, (h) => h.client.suspend()]) {
    const h = await start();
    prepare(h);
    h.client.close();
    await h.clock.advance(100_000);
    assert.equal(h.client.state, 'closed');
    assert.equal(h.sockets.length, 1);
  }
});

test('a listener may close the client at any change of state', async () => {
  for (const moment of ['connecting', 'connected', 'waiting']) {
    const h = await start({ startClosed: true });
    h.client.close();
    const stop = h.client.on('state', ({ state }) => { if (state === moment) h.client.close(); });
    h.client.connect();
    await settled();
    if (h.client.state === 'connecting') h.socket.welcome();
    if (h.client.state === 'connected') h.socket.end();
    await h.clock.advance(100_000);
    assert.equal(h.client.state, 'closed', moment);
    stop();
  }
});

test('a JSON ping is answered, with the number reached', async () => {
  const h = await start();
  h.socket.welcome();
  h.socket.receive({ type: 'ping' });
  h.socket.receive({ seq: 1, type: 'x' });
  h.socket.receive({ type: 'ping' });
  assert.deepEqual(h.socket.sent, [{ type: 'pong' }, { type: 'pong', seq: 1 }]);
});

test('many messages are acknowledged between pings', async () => {
  const h = await start({ acknowledgeEvery: 3 });
  h.socket.welcome();
  for (let seq = 1; seq <= 7; seq += 1) h.socket.receive({ seq, type: 'x' });
  assert.deepEqual(h.socket.sent, [{ type: 'pong', seq: 3 }, { type: 'pong', seq: 6 }]);
});

test('a silent server is asked, then left', async () => {
  const h = await start();
  h.socket.welcome({ heartbeat: { interval_ms: 10_000, timeout_ms: 20_000 } });
  await h.clock.advance(14_999);
  assert.deepEqual(h.socket.sent, []);
  await h.clock.advance(1);
  assert.deepEqual(h.socket.sent, [{ type: 'ping' }]);
  await h.clock.advance(4_999);
  assert.equal(h.client.state, 'connected');
  await h.clock.advance(1);
  assert.equal(h.client.state, 'waiting');
  assert.equal(h.lastState.code, 1006);
});

test('anything from the server is a sign of life, a pong too', async () => {
  const h = await start();
  h.socket.welcome({ heartbeat: { interval_ms: 10_000, timeout_ms: 20_000 } });
  for (let count = 0; count < 5; count += 1) {
    await h.clock.advance(15_000);
    h.socket.receive(count % 2 === 0 ? { type: 'pong' } : { seq: count, type: 'x' });
  }
  await h.clock.advance(14_000);
  assert.equal(h.client.state, 'connected');
});

test('a machine that slept asks before it judges', async () => {
  const h = await start();
  h.socket.welcome();
  h.clock.freeze(3_600_000);
  await h.clock.advance(0);
  assert.equal(h.client.state, 'connected');
  assert.deepEqual(h.socket.sent, [{ type: 'ping' }]);
  h.socket.receive({ type: 'pong' });
  await h.clock.advance(5_000);
  assert.equal(h.client.state, 'connected');
});

test('a server without a heartbeat is watched too', async () => {
  const h = await start({ silenceTimeout: 8_000, pingTimeout: 1_000 });
  h.socket.welcome({ heartbeat: { interval_ms: 0, timeout_ms: 0 } });
  await h.clock.advance(8_000);
  assert.equal(h.client.state, 'waiting');
});

test('a heartbeat of centuries is watched in steps that a timer can wait', async () => {
  const h = await start({ pingTimeout: 5_000 });
  h.clock.longestDelay = 2 ** 31 - 1;
  h.socket.welcome({ heartbeat: { interval_ms: 0, timeout_ms: 2 ** 33 } });
  await h.clock.advance(2 ** 33 - 5_001);
  assert.deepEqual(h.socket.sent, []);
  await h.clock.advance(1);
  assert.deepEqual(h.socket.sent, [{ type: 'ping' }]);
  await h.clock.advance(5_000);
  assert.equal(h.client.state, 'waiting');
});

test('back online: an attempt soon, with jitter, instead of the long wait', async () => {
  const h = await start({ random: () => 0.9 });
  for (let count = 0; count < 8; count += 1) {
    h.socket.end();
    if (count < 7) await h.clock.advance(h.lastState.delay);
  }
  assert.equal(h.lastState.delay, 27_000);
  h.environment.goOnline();
  assert.equal(h.lastState.delay, 900);
  await h.clock.advance(900);
  assert.equal(h.sockets.length, 9);
});

test('a page that becomes visible does the same', async () => {
  const h = await start({ random: () => 0.9, backoff: { base: 20_000 } });
  h.socket.end();
  await h.clock.advance(17_500);
  h.environment.callbacks.visible();
  assert.equal(h.lastState.delay, 500); // never later than it would have been
});

test('offline it tries rarely, because that word is a hint only', async () => {
  const h = await start();
  h.environment.goOffline();
  h.socket.end();
  assert.deepEqual([h.lastState.isOffline, h.lastState.delay], [true, 30_000]);
  h.environment.callbacks.visible();
  assert.equal(h.lastState.delay, 30_000);
  await h.clock.advance(30_000);
  assert.equal(h.sockets.length, 2);
});

test('going offline while it waits makes it wait longer', async () => {
  const h = await start();
  h.socket.end();
  h.environment.goOffline();
  assert.deepEqual([h.lastState.isOffline, h.lastState.delay], [true, 30_000]);
});

for (const news of ['offline', 'online', 'visible']) {
  test(`${news} while connected: the connection has to show that it lives`, async () => {
    const h = await start();
    h.socket.welcome();
    h.environment.callbacks[news]();
    assert.deepEqual(h.socket.sent, [{ type: 'ping' }]);
    h.environment.callbacks[news]();
    assert.equal(h.socket.sent.length, 1);
    await h.clock.advance(5_000);
    assert.equal(h.client.state, 'waiting');
  });
}

test('a client connects by itself, after its owner had time to listen', async () => {
  const urls = [];
  const WebSocket = class { constructor(url) { urls.push(url); } close() {} };
  const states = [];
  const client = new ReconnectingWebSocket('ws://a.test/ws', { WebSocket });
  client.on('state', ({ state }) => states.push(state));
  const closed = new ReconnectingWebSocket('ws://a.test/ws', { WebSocket });
  closed.close();
  await settled();
  assert.deepEqual([states, urls.length], [['connecting'], 1]);
  client.close();
});

test('a URL may be http and have a query; another scheme is refused', async () => {
  const urls = [];
  const WebSocket = class { constructor(url) { urls.push(url); } close() {} };
  const options = { WebSocket, token: 't' };
  const clients = ['https://a.test/ws?x=1#y', new URL('http://a.test/ws')].map((url) => new ReconnectingWebSocket(url, options));
  await settled();
  assert.deepEqual(urls, ['wss://a.test/ws?x=1&token=t&last_seq=0', 'ws://a.test/ws?token=t&last_seq=0']);
  for (const client of clients) client.close();
  assert.throws(() => new ReconnectingWebSocket('ftp://a.test/', options), TypeError);
});

test('where there is no WebSocket, the constructor says what to do', { skip: 'WebSocket' in globalThis }, () => {
  assert.throws(() => new ReconnectingWebSocket('ws://a.test/'), /options\.WebSocket/);
});

test('suspended before the first attempt: there is none', async () => {
  const WebSocket = class { constructor() { throw new Error('there is to be no socket'); } };
  const client = new ReconnectingWebSocket('ws://a.test/ws', { WebSocket });
  client.suspend();
  await settled();
  assert.equal(client.state, 'suspended');
  client.close();
});

test('the pause after 1008 is kept over a suspend', async () => {
  const h = await start();
  h.socket.welcome();
  h.socket.end(1008);
  h.client.suspend();
  await h.clock.advance(10_000);
  h.client.connect();
  await settled();
  assert.deepEqual([h.client.state, h.lastState.delay], ['waiting', 20_000]);
  await h.clock.advance(20_000);
  assert.equal(h.sockets.length, 2);
});

test('a token function set for the next attempt does not disturb the one under way', async () => {
  const h = await start({ token: undefined });
  h.client.close();
  h.client.connect();
  h.client.setToken(() => 'bob');
  await settled();
  assert.equal(h.client.state, 'connecting');
  assert.equal(h.socket.query('token'), null);
});

test('a token function is told how many attempts have come to nothing', async () => {
  const asked = [];
  const h = await start({ token: (request) => { asked.push(request); return 'ann'; } });
  h.socket.end();
  await h.clock.advance(h.lastState.delay);
  h.socket.end();
  await h.reconnect();
  h.socket.end();
  await h.clock.advance(h.lastState.delay);
  assert.deepEqual(asked.map(({ failures }) => failures), [0, 1, 2, 0]);
});
