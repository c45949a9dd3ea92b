// SPDX-License-Identifier: MIT
// The client against the real chat server, over real sockets; CHAT_BINARY names the program.
import assert from 'node:assert/strict';
import { once, EventEmitter } from 'node:events';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { ReconnectingWebSocket } from '../src/index.js';
import { layCable } from './support/cable.js';
import { startChat } from './support/chat-server.js';

const REPLAY = 20;
const IMAGE = 1;
let server; // of two threads, so that resumed sessions are often found on the other one

before(async () => { server = await startChat({ options: ['--threads', 2, '--replay', REPLAY] }); });
after(() => server?.stop());

/** A client with quick reconnects, and `next(event)` to wait for one. */
function client(t, name, url = server.url, options = {}) {
  const made = new ReconnectingWebSocket(`${url}/ws`, { token: name, WebSocket, backoff: { base: 20, maximum: 50 }, ...options });
  const events = new EventEmitter();
  for (const event of ['message', 'binary', 'recovered', 'gap', 'replaced', 'presence']) {
    made.on(event, (value) => events.emit(event, value));
  }
  made.on('state', (change) => events.emit(change.state, change));
  t.after(() => made.close());
  return Object.assign(made, { next: async (event) => (await once(events, event))[0] });
}

async function cable(t, port = server.port) {
  const made = await layCable(port);
  t.after(made.close);
  return made;
}

/** Collects until there are `count`. */
function collector(count) {
  const heard = [];
  let done;
  const all = new Promise((resolve) => { done = resolve; });
  return { heard, all, hear: (data) => { if (heard.push(data) === count) done(heard); } };
}

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

const imageFor = (room, ...bytes) => Uint8Array.of(0, room.length, ...new TextEncoder().encode(room), ...bytes);

test('two clients talk, and see each other', async (t) => {
  const ann = client(t, 'ann');
  const { hear, all } = collector(1);
  await ann.subscribe('talk', hear, { presence: true });
  const joined = ann.next('presence');
  const bob = client(t, 'bob with a space+plus');
  await bob.subscribe('talk', () => {});
  const { type, user } = await joined;
  assert.deepEqual([type, user], ['join', 'bob with a space+plus']);
  const presence = await ann.presence('talk');
  assert.deepEqual(presence.users.map(({ user: name }) => name).sort(), ['ann', 'bob with a space+plus']);
  const answer = await bob.publish('talk', { text: 'hello ✓' });
  assert.equal(answer.status, 'published');
  assert.deepEqual(await all, [{ text: 'hello ✓' }]);
});

test('a cable is pulled: text and binary sent meanwhile arrive once and in order', async (t) => {
  const wire = await cable(t);
  const ann = client(t, 'ann');
  const bob = client(t, 'bob', wire.url);
  const { heard, all, hear } = collector(13);
  await bob.subscribe('cut', hear);
  bob.on('binary', ({ payload }) => hear(`image ${payload.at(-1)}`));
  for (const count of range(1, 3)) await ann.publish('cut', count);
  while (heard.length < 3) await bob.next('message'); // accepted is not yet delivered
  wire.pull();
  await bob.next('waiting');
  for (const count of range(4, 8)) await ann.publish('cut', count);
  await ann.sendBinary(IMAGE, imageFor('cut', 77));
  await ann.publish('cut', 9);
  const recovered = bob.next('recovered');
  wire.plugIn();
  const { replayed } = await recovered;
  assert.equal(replayed, 7);
  for (const count of range(10, 12)) await ann.publish('cut', count);
  await all;
  assert.deepEqual(heard, [1, 2, 3, 4, 5, 6, 7, 8, 'image 77', 9, 10, 11, 12]);
});

test('what is published over a bad cable arrives exactly once', async (t) => {
  const wire = await cable(t);
  const ann = client(t, 'ann', wire.url);
  const bob = client(t, 'bob');
  const { heard, all, hear } = collector(300);
  await bob.subscribe('bad', hear);
  const published = [];
  for (const count of range(1, 300)) {
    published.push(ann.publish('bad', count));
    if (count % 60 !== 0) continue;
    await published[count - 40]; // some are answered, some are under way
    wire.pull();
    if (ann.state === 'connected') await ann.next('waiting');
    wire.plugIn();
    await ann.next('connected');
  }
  await Promise.all(published);
  await all;
  assert.deepEqual(heard, range(1, 300));
});

test('more missed than the server keeps: the loss is counted, and the rest arrives', async (t) => {
  const wire = await cable(t);
  const ann = client(t, 'ann');
  const bob = client(t, 'bob', wire.url);
  const { heard, all, hear } = collector(1 + REPLAY);
  await bob.subscribe('gap', hear);
  await ann.publish('gap', 0);
  while (heard.length === 0) await bob.next('message');
  wire.pull();
  await bob.next('waiting');
  for (const count of range(1, REPLAY + 42)) await ann.publish('gap', count);
  const gap = bob.next('gap');
  wire.plugIn();
  const { missed, reason, isSameSession } = await gap;
  assert.deepEqual([missed, reason, isSameSession], [42, 'away', true]);
  await all;
  assert.deepEqual(heard, [0, ...range(43, REPLAY + 42)]);
});

test('a server that is gone and comes back: a new session, subscribed again, and the loss is told', async (t) => {
  let own = await startChat();
  const ann = client(t, 'ann', own.url);
  const { all, hear } = collector(1);
  await ann.subscribe('again', hear);
  const first = ann.session;
  await own.kill();
  if (ann.state === 'connected') await ann.next('waiting');
  const later = ann.publish('again', 'sent while the server was away');
  const gap = ann.next('gap');
  own = await startChat({ port: own.port });
  t.after(() => own.stop());
  assert.deepEqual((({ missed, isSameSession }) => [missed, isSameSession])(await gap), [null, false]);
  assert.notEqual(ann.session, first);
  await later;
  assert.deepEqual(await all, ['sent while the server was away']);
});

test('a server that stops says so, and the client comes back', async (t) => {
  let own = await startChat();
  const ann = client(t, 'ann', own.url);
  await ann.next('connected');
  const waiting = ann.next('waiting');
  assert.equal(await own.stop(), 0);
  assert.equal((await waiting).code, 1001);
  own = await startChat({ port: own.port });
  t.after(() => own.stop());
  if (ann.state !== 'connected') await ann.next('connected');
});

test('a session that is taken over: "replaced", and no way back by itself', async (t) => {
  const ann = client(t, 'ann');
  await ann.next('connected');
  const replaced = ann.next('replaced');
  const other = client(t, 'ann', server.url, { resume: { session: ann.session, lastSeq: ann.lastSeq } });
  await Promise.all([replaced, other.next('recovered')]);
  assert.equal(ann.state, 'closed');
  assert.equal(other.state, 'connected');
});

test('a direct message reaches its person, and its sender gets an answer', async (t) => {
  const ann = client(t, 'ann');
  const bob = client(t, 'bob direct');
  await bob.next('connected');
  const message = bob.next('message');
  assert.equal((await ann.send({ action: 'send', to: 'bob direct', data: { a: 1 }, id: 5 })).status, 'sent');
  const { type, from, data } = await message;
  assert.deepEqual({ type, from, data }, { type: 'direct', from: 'ann', data: { a: 1 } });
  await assert.rejects(ann.send({ action: 'send', data: 1, id: 6 }), { code: 'field.missing' });
  await assert.rejects(ann.send({ action: 'fly', id: 7 }), { code: 'action.unknown' });
});

test('a reserved channel is refused, a silent one is kept by pings', async (t) => {
  const own = await startChat({ options: ['--heartbeat-interval-ms', 100, '--heartbeat-timeout-ms', 300] });
  t.after(() => own.stop());
  const ann = client(t, 'ann', own.url);
  await assert.rejects(ann.subscribe('$secret', () => {}), { code: 'channel.reserved' });
  let isLost = false;
  ann.on('state', ({ state }) => { isLost ||= state === 'waiting'; });
  await new Promise((resolve) => { setTimeout(resolve, 1000); }); // three timeouts long
  assert.equal(isLost, false);
});

test('many channels and messages that have gathered keep within a rate limit, also after a cut', async (t) => {
  const own = await startChat({ options: ['--rate-limit', 50] });
  t.after(() => own.stop());
  const wire = await cable(t, own.port);
  const bob = client(t, 'bob', own.url);
  const { heard, all, hear } = collector(120);
  await bob.subscribe('rate', hear);
  const ann = client(t, 'ann', wire.url); // not connected yet: all that follows gathers
  let isClosed = false;
  ann.on('state', ({ code }) => { isClosed ||= code === 1008; });
  const subscribed = range(1, 120).map((place) => ann.subscribe(`rate ${place}`, () => {}));
  const published = range(1, 120).map((count) => ann.publish('rate', count));
  await published[0];
  wire.pull();
  if (ann.state === 'connected') await ann.next('waiting');
  wire.plugIn();
  await Promise.all([...subscribed, ...published]);
  await all;
  assert.deepEqual([...heard].sort((a, b) => a - b), range(1, 120));
  assert.equal(isClosed, false);
});
