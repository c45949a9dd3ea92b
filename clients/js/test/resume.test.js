// SPDX-License-Identifier: MIT
// The protocol's resume table as a client sees it, and what a client does with sequence numbers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settled, start } from './support/harness.js';

const message = (seq) => ({ seq, type: 'message', channel: 'c', data: seq });

/** A client that has taken in messages 1 to 3 of session s1 and was cut. */
async function cutAfterThree() {
  const h = await start();
  h.socket.welcome();
  for (const seq of [1, 2, 3]) h.socket.receive(message(seq));
  h.socket.end();
  await settled();
  return h;
}

const seqs = (h) => h.events.message.map(({ seq }) => seq);

test('the first request is stateful, and has no session', async () => {
  const h = await start();
  assert.equal(h.socket.query('last_seq'), '0');
  assert.equal(h.socket.query('session'), null);
  h.socket.welcome({ session: 'a b&c', seq: 0 });
  assert.equal(h.client.session, 'a b&c');
  assert.deepEqual([h.events.recovered, h.events.gap], [[], []]);
  assert.equal(h.lastState.isFirst, true);
});

test('nothing missed: recovered, with nothing replayed', async () => {
  const h = await cutAfterThree();
  await h.reconnect({ seq: 3, recovered: true });
  assert.deepEqual(h.events.recovered, [{ replayed: 0 }]);
  assert.equal(h.events.gap.length, 0);
});

test('all of it kept: recovered, and what was missed follows, marked as replayed', async () => {
  const h = await cutAfterThree();
  await h.reconnect({ seq: 5, recovered: true, replayed: 2 });
  for (const seq of [4, 5, 6]) h.socket.receive(message(seq));
  assert.deepEqual(h.events.recovered, [{ replayed: 2 }]);
  assert.deepEqual(seqs(h), [1, 2, 3, 4, 5, 6]);
  assert.deepEqual(h.events.message.map(({ replayed }) => replayed), [false, false, false, true, true, false]);
  assert.equal(h.events.gap.length, 0);
});

test('resumed with last_seq 0: the client keeps its own count and gets everything', async () => {
  const h = await start();
  h.socket.welcome();
  h.socket.end();
  await h.reconnect({ seq: 2, recovered: true, replayed: 2 });
  h.socket.receive(message(1));
  h.socket.receive(message(2));
  assert.deepEqual(seqs(h), [1, 2]);
  assert.equal(h.events.gap.length, 0);
});

test('more missed than kept: one gap with the count, then the rest without another', async () => {
  const h = await cutAfterThree();
  await h.reconnect({ seq: 10, recovered: false, missed: 4, replayed: 3 });
  for (const seq of [8, 9, 10]) h.socket.receive(message(seq));
  assert.deepEqual(h.events.gap, [{ reason: 'away', missed: 4, channels: null, isSameSession: true }]);
  assert.equal(h.events.recovered.length, 0);
  assert.deepEqual(seqs(h), [1, 2, 3, 8, 9, 10]);
});

test('cut again before the replay: the loss that was told is not asked for and not told again', async () => {
  const h = await cutAfterThree();
  await h.reconnect({ seq: 10, recovered: false, missed: 4, replayed: 3 });
  h.socket.end();
  await settled();
  await h.clock.advance(h.lastState.delay);
  assert.equal(h.socket.query('last_seq'), '7');
  h.socket.welcome({ seq: 10, recovered: true, replayed: 3 });
  assert.equal(h.events.gap.length, 1);
  assert.deepEqual(h.events.recovered, [{ replayed: 3 }]);
});

test('session unknown, expired or from another server: a gap of unknown size, and a count from the new welcome', async () => {
  const h = await cutAfterThree();
  await h.reconnect({ session: 's2', seq: 0, missed: null });
  assert.deepEqual(h.events.gap, [{ reason: 'away', missed: null, channels: null, isSameSession: false }]);
  assert.deepEqual([h.client.session, h.client.lastSeq], ['s2', 0]);
  h.socket.receive(message(1));
  assert.deepEqual(h.events.message.at(-1).seq, 1);
  assert.equal(h.events.gap.length, 1);
});

test('a session of an earlier page is resumed', async () => {
  const h = await start({ resume: { session: 'old', lastSeq: 7 } });
  assert.deepEqual([h.socket.query('session'), h.socket.query('last_seq')], ['old', '7']);
  h.socket.welcome({ session: 'old', seq: 8, recovered: true, replayed: 1 });
  assert.deepEqual(h.events.recovered, [{ replayed: 1 }]);
});

test('what the old socket still delivers after it was given up is not counted', async () => {
  const h = await start();
  h.socket.welcome();
  h.socket.receive(message(1));
  const old = h.socket;
  const handler = old.onmessage;
  h.client.suspend();
  h.client.connect();
  await settled();
  old.receive(message(2)); // through whatever is attached now
  old.end(4001);
  assert.equal(h.socket.query('last_seq'), '1');
  assert.equal(h.client.state, 'connecting');
  assert.deepEqual(seqs(h), [1]);
  assert.notEqual(old.onmessage, handler);
  assert.equal(h.events.replaced.length, 0);
});

test('an error of a socket that was given up does not go unheard, as `ws` would throw it', async () => {
  const h = await start();
  h.client.suspend();
  assert.equal(typeof h.socket.onerror, 'function');
});

test('last_seq is read when the token is there, not before', async () => {
  let giveToken;
  let isFirst = true;
  const token = () => (isFirst ? 'ann' : new Promise((resolve) => { giveToken = resolve; }));
  const h = await start({ token });
  h.socket.welcome();
  isFirst = false;
  h.socket.receive(message(1));
  h.socket.end();
  await h.clock.advance(500);
  assert.equal(h.sockets.length, 1);
  giveToken('later');
  await settled();
  assert.equal(h.socket.query('last_seq'), '1');
  assert.equal(h.socket.query('token'), 'later');
});

test('numbers already passed are dropped', async () => {
  const h = await cutAfterThree();
  await h.reconnect({ seq: 3, recovered: true });
  for (const seq of [2, 3, 4, 4, 1]) h.socket.receive(message(seq));
  assert.deepEqual(seqs(h), [1, 2, 3, 4]);
  for (const seq of ['5', null, 4.5, -1]) h.socket.receive({ ...message(0), seq });
  assert.deepEqual(seqs(h), [1, 2, 3, 4]);
});

test('a jump without a word is a gap', async () => {
  const h = await start();
  h.socket.welcome();
  h.socket.receive(message(1));
  h.socket.receive(message(5));
  assert.deepEqual(h.events.gap, [{ reason: 'sequence', missed: 3, channels: null, isSameSession: true }]);
  assert.deepEqual(seqs(h), [1, 5]);
});

test('a gap message takes the place of the messages dropped', async () => {
  const h = await start();
  h.socket.welcome();
  h.socket.receive(message(1));
  h.socket.receive({ seq: 5, type: 'gap', reason: 'slow', missed: 4 });
  h.socket.receive(message(6));
  assert.deepEqual(h.events.gap, [{ reason: 'slow', missed: 4, channels: null, isSameSession: true }]);
  assert.deepEqual(seqs(h), [1, 6]);
});

test('a gap of the broker names channels and takes one number', async () => {
  const h = await start();
  h.socket.welcome();
  h.socket.receive({ seq: 1, type: 'gap', reason: 'broker', channels: ['c'] });
  h.socket.receive(message(2));
  assert.deepEqual(h.events.gap, [{ reason: 'broker', missed: null, channels: ['c'], isSameSession: true }]);
});

test('a replayed gap is not raised twice', async () => {
  const h = await cutAfterThree();
  await h.reconnect({ seq: 3, recovered: true });
  h.socket.receive({ seq: 3, type: 'gap', reason: 'slow', missed: 2 });
  assert.equal(h.events.gap.length, 0);
});

test('only the first frame is a welcome; later an application may use that word', async () => {
  const h = await start();
  h.socket.welcome();
  h.socket.receive({ seq: 1, type: 'welcome', session: 'x' });
  assert.equal(h.client.session, 's1');
  assert.equal(h.events.message[0].type, 'welcome');
});

test('a server whose first frame is no welcome is left again', async () => {
  const h = await start();
  h.socket.open();
  h.socket.receive({ type: 'ping' });
  assert.equal(h.client.state, 'waiting');
});

test('spaces and pluses of a token arrive as they are', async () => {
  const h = await start({ token: 'a b+c&d' });
  assert.match(h.socket.url.search, /token=a%20b%2Bc%26d/);
});

test('a message that the listener chokes on is counted, and its neighbours arrive', async (t) => {
  const h = await start();
  const thrownLater = t.mock.method(globalThis, 'queueMicrotask', () => {});
  h.client.on('message', ({ seq }) => { if (seq === 1) throw new Error('choked'); });
  h.socket.welcome();
  h.socket.receive(message(1));
  h.socket.receive(message(2));
  assert.deepEqual(seqs(h), [1, 2]);
  assert.throws(thrownLater.mock.calls[0].arguments[0], { message: 'choked' });
});

test('a numbered message is one, whatever type the App has given it', async () => {
  const h = await start();
  h.socket.welcome();
  for (const [place, type] of ['pong', 'ping', 'welcome', 'error', undefined].entries()) h.socket.receive({ seq: place + 1, type });
  assert.deepEqual(seqs(h), [1, 2, 3, 4, 5]);
  assert.equal(h.events.gap.length, 0);
});
