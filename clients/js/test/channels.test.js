// SPDX-License-Identifier: MIT
// Subscriptions: asked for, kept over a cut, asked for again, ended.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { outcome, settled, start } from './support/harness.js';

const ignore = () => {};

async function connected(options) {
  const h = await start(options);
  h.socket.welcome();
  return h;
}

/** Connected and subscribed to `c`. */
async function subscribed(handler = ignore, options = undefined) {
  const h = await connected();
  const promise = h.client.subscribe('c', handler, options);
  h.socket.answerAll('subscribe', 'subscribed');
  await promise;
  return h;
}

test('a subscription hears its channel and no other', async () => {
  const heard = [];
  const h = await subscribed((data, message) => heard.push([data, message.seq]));
  h.socket.receive({ seq: 1, type: 'message', channel: 'c', data: { a: 1 } });
  h.socket.receive({ seq: 2, type: 'message', channel: 'other', data: 2 });
  assert.deepEqual(heard, [[{ a: 1 }, 1]]);
  assert.equal(h.events.message.length, 2);
});

test('the promise is kept with the answer; a refusal rejects it and takes the handler away', async () => {
  const h = await connected();
  const heard = [];
  const good = h.client.subscribe('c', ignore);
  const bad = h.client.subscribe('secret', (data) => heard.push(data));
  const [first, second] = h.socket.sent;
  h.socket.receive({ status: 'subscribed', channel: 'c', local: true, id: first.id });
  h.socket.receive({ type: 'error', code: 'subscribe.denied', message: 'no', id: second.id });
  assert.equal((await good).local, true);
  assert.equal((await outcome(bad)).code, 'subscribe.denied');
  h.socket.receive({ seq: 1, type: 'message', channel: 'secret', data: 1 });
  assert.deepEqual(heard, []);
  assert.deepEqual(h.client.channels, ['c']);
  assert.equal(h.events.unsubscribed.length, 0);
});

test('before there is a connection, subscriptions wait for it', async () => {
  const h = await start();
  const promise = h.client.subscribe('c', ignore);
  assert.equal((await outcome(promise)).status, 'open');
  h.socket.welcome();
  assert.deepEqual(h.socket.sent.map(({ action, channel }) => [action, channel]), [['subscribe', 'c']]);
});

test('two handlers need one subscription, and leave one by one', async () => {
  const heard = [];
  const one = () => heard.push('one');
  const two = () => heard.push('two');
  const h = await subscribed(one);
  await h.client.subscribe('c', two);
  assert.equal(h.socket.sent.length, 1);
  h.socket.receive({ seq: 1, type: 'message', channel: 'c', data: 1 });
  await Promise.race([h.client.unsubscribe('c', one), settled()]);
  h.socket.receive({ seq: 2, type: 'message', channel: 'c', data: 1 });
  assert.deepEqual(heard, ['one', 'two', 'two']);
  assert.equal(h.socket.of('unsubscribe').length, 0);
  const gone = h.client.unsubscribe('c', two);
  h.socket.answerAll('unsubscribe', 'unsubscribed');
  assert.equal((await gone).status, 'unsubscribed');
  assert.deepEqual(h.client.channels, []);
});

test('a session that was found has its subscriptions still', async () => {
  const h = await subscribed();
  h.socket.end();
  await h.reconnect({ recovered: true });
  assert.deepEqual(h.socket.sent, []);
  h.socket.end();
  await h.reconnect({ seq: 200, recovered: false, missed: 100, replayed: 100 });
  assert.deepEqual(h.socket.sent, []);
});

test('a new session has none: they are asked for again, presence too', async () => {
  const heard = [];
  const h = await subscribed((data) => heard.push(data), { presence: true });
  h.socket.end();
  await h.reconnect({ session: 's2', missed: null });
  const [{ id, ...request }] = h.socket.sent;
  assert.deepEqual(request, { action: 'subscribe', channel: 'c', presence: true });
  h.socket.receive({ status: 'subscribed', channel: 'c', id });
  h.socket.receive({ seq: 1, type: 'message', channel: 'c', data: 'new' });
  assert.deepEqual(heard, ['new']);
});

test('what a new session refuses is told, and its handlers are gone', async () => {
  const h = await subscribed();
  h.socket.end();
  await h.reconnect({ session: 's2', missed: null });
  h.socket.receive({ type: 'error', code: 'subscribe.denied', message: 'no', id: h.socket.sent[0].id });
  assert.deepEqual(h.events.unsubscribed, [{ channel: 'c', code: 'subscribe.denied' }]);
  assert.deepEqual(h.client.channels, []);
});

test('what a resumed session may no longer have is told', async () => {
  const h = await subscribed();
  h.socket.end();
  await h.reconnect({ recovered: true });
  h.socket.receive({ status: 'unsubscribed', channel: 'c', code: 'subscribe.denied' });
  assert.deepEqual(h.events.unsubscribed, [{ channel: 'c', code: 'subscribe.denied' }]);
  assert.deepEqual(h.socket.sent, []);
  h.socket.receive({ status: 'unsubscribed', channel: 'never had' });
});

test('a subscribe that was cut off is asked again in the same session', async () => {
  const h = await connected();
  const promise = h.client.subscribe('c', ignore);
  h.socket.end();
  await h.reconnect({ recovered: true });
  assert.equal(h.socket.of('subscribe').length, 1);
  h.socket.answerAll('subscribe', 'subscribed');
  assert.equal((await promise).status, 'subscribed');
});

test('an unsubscribe that was cut off, too', async () => {
  const h = await subscribed();
  const promise = h.client.unsubscribe('c');
  h.socket.end();
  await h.reconnect({ recovered: true });
  assert.equal(h.socket.of('unsubscribe').length, 1);
  h.socket.answerAll('unsubscribe', 'unsubscribed');
  assert.equal((await promise).status, 'unsubscribed');
});

test('a subscribe that was cut off and taken back may be in force: the found session is told', async () => {
  const h = await connected();
  h.client.subscribe('c', ignore);
  h.socket.end();
  h.client.unsubscribe('c');
  await h.reconnect({ recovered: true });
  assert.deepEqual(h.socket.sent.map(({ action }) => action), ['unsubscribe']);
});

test('an unsubscribe that was cut off and taken back may be in force: it is subscribed again', async () => {
  const h = await subscribed();
  h.client.unsubscribe('c');
  h.socket.end();
  h.client.subscribe('c', ignore);
  await h.reconnect({ recovered: true });
  assert.deepEqual(h.socket.sent.map(({ action }) => action), ['subscribe']);
});

test('unsubscribed while away: the found session is told, a new one need not be', async () => {
  const found = await subscribed();
  found.socket.end();
  found.client.unsubscribe('c');
  await found.reconnect({ recovered: true });
  assert.equal(found.socket.of('unsubscribe').length, 1);

  const fresh = await subscribed();
  fresh.socket.end();
  const promise = fresh.client.unsubscribe('c');
  await fresh.reconnect({ session: 's2', missed: null });
  assert.deepEqual(fresh.socket.sent, []);
  assert.equal((await promise).status, 'unsubscribed');
});

test('back and forth while an answer is under way ends where the owner ended', async () => {
  const h = await subscribed();
  const gone = h.client.unsubscribe('c');
  const back = h.client.subscribe('c', ignore);
  assert.deepEqual(h.socket.sent.map(({ action }) => action), ['subscribe', 'unsubscribe']);
  h.socket.receive({ status: 'unsubscribed', channel: 'c', id: h.socket.sent[1].id });
  assert.equal((await gone).status, 'unsubscribed');
  assert.equal(h.socket.sent.length, 3);
  h.socket.receive({ status: 'subscribed', channel: 'c', id: h.socket.sent[2].id });
  assert.equal((await back).status, 'subscribed');
  assert.equal(h.socket.sent.length, 3);
});

test('unsubscribed before the answer: the subscribe is rejected and undone', async () => {
  const h = await connected();
  const promise = h.client.subscribe('c', ignore);
  h.client.unsubscribe('c');
  assert.equal((await outcome(promise)).code, 'unsubscribed');
  h.socket.answerAll('subscribe', 'subscribed');
  assert.equal(h.socket.of('unsubscribe').length, 1);
});

test('unsubscribing what is not subscribed is answered here', async () => {
  const h = await connected();
  assert.equal((await h.client.unsubscribe('c')).status, 'unsubscribed');
  assert.deepEqual(h.socket.sent, []);
});

test('joins and leaves go to the presence handler of their channel, and to the event', async () => {
  const heard = [];
  const h = await subscribed(ignore, { presence: ({ type, user }) => heard.push([type, user]) });
  assert.equal(h.socket.sent[0].presence, true);
  h.socket.receive({ seq: 1, type: 'join', channel: 'c', user: 'bob' });
  h.socket.receive({ seq: 2, type: 'leave', channel: 'c', user: 'bob' });
  h.socket.receive({ seq: 3, type: 'join', channel: 'd', user: 'eve' });
  assert.deepEqual(heard, [['join', 'bob'], ['leave', 'bob']]);
  assert.equal(h.events.presence.length, 3);
  assert.equal(h.events.message.length, 0);
});

test('presence wanted later is asked for later; refused, the plain handler stays', async () => {
  const heard = [];
  const h = await subscribed((data) => heard.push(data));
  const promise = h.client.subscribe('c', ignore, { presence: true });
  const { id, presence } = h.socket.sent[1];
  assert.equal(presence, true);
  h.socket.receive({ type: 'error', code: 'presence.denied', message: 'no', id });
  assert.equal((await outcome(promise)).code, 'presence.denied');
  h.socket.receive({ seq: 1, type: 'message', channel: 'c', data: 1 });
  assert.deepEqual(heard, [1]);
  assert.equal(h.socket.sent.length, 2);
});

test('a subscribe refused for its rate is asked again a little later', async () => {
  const h = await connected();
  const promise = h.client.subscribe('c', ignore);
  h.socket.receive({ type: 'error', code: 'rate.limited', message: 'slow', id: h.socket.sent[0].id });
  await h.clock.advance(749);
  assert.equal(h.socket.of('subscribe').length, 1);
  await h.clock.advance(1);
  assert.equal(h.socket.of('subscribe').length, 2);
  h.socket.receive({ status: 'subscribed', channel: 'c', id: h.socket.sent[1].id });
  assert.equal((await promise).status, 'subscribed');
});

for (const publishes of [0, 1]) {
  test(`many channels are asked for a few at a time, before ${publishes} messages that wait`, async () => {
    const h = await start();
    const promises = Array.from({ length: 40 }, (_, place) => h.client.subscribe(`c${place}`, ignore));
    for (let count = 0; count < publishes; count += 1) promises.push(h.client.publish('c0', count));
    h.socket.welcome();
    assert.equal(h.socket.sent.length, 4);
    for (let place = 0; place < h.socket.sent.length; place += 1) {
      const { action, channel, id } = h.socket.sent[place];
      h.socket.receive({ status: action === 'subscribe' ? 'subscribed' : 'published', channel, id });
    }
    await Promise.all(promises);
    assert.deepEqual(h.socket.sent.map(({ action }) => action), [...Array(40).fill('subscribe'), ...Array(publishes).fill('publish')]);
  });
}

test('subscribed anew while the unsubscribe is under way: in its place before what is asked after it', async () => {
  const h = await subscribed();
  h.client.unsubscribe('c');
  const promise = h.client.subscribe('c', ignore);
  h.client.presence('c');
  h.client.publish('c', 1);
  assert.deepEqual(h.socket.sent.map(({ action }) => action), ['subscribe', 'unsubscribe']);
  h.socket.answerAll('unsubscribe', 'unsubscribed');
  h.socket.receive({ status: 'subscribed', channel: 'c', id: h.socket.sent[2].id });
  await promise;
  assert.deepEqual(h.socket.sent.map(({ action }) => action), ['subscribe', 'unsubscribe', 'subscribe', 'presence', 'publish']);
});

test('a subscription that is replaced as its end is told hears its channel', async () => {
  const heard = [];
  const h = await subscribed();
  h.client.on('unsubscribed', () => {
    h.client.unsubscribe('c');
    h.client.subscribe('c', (data) => heard.push(data));
  });
  h.socket.receive({ status: 'unsubscribed', channel: 'c', code: 'subscribe.denied' });
  h.socket.receive({ status: 'subscribed', channel: 'c', id: h.socket.sent.at(-1).id });
  h.socket.receive({ seq: 1, type: 'message', channel: 'c', data: 1 });
  assert.deepEqual(heard, [1]);
  assert.deepEqual(h.client.channels, ['c']);
});

test('suspended as an end is told: what is asked for meanwhile still waits its turn', async () => {
  const h = await subscribed();
  h.client.on('unsubscribed', () => h.client.suspend());
  h.client.subscribe('d', ignore);
  h.socket.end();
  await h.reconnect({ session: 's2', missed: null });
  h.socket.receive({ type: 'error', code: 'subscribe.denied', message: 'no', id: h.socket.sent[0].id });
  assert.equal(h.client.state, 'suspended');
  for (let count = 0; count < 60; count += 1) h.client.publish('c', count);
  h.client.connect();
  await settled();
  h.socket.welcome({ session: 's3', missed: null });
  assert.equal(h.socket.sent.length, 4);
});

test('subscribing for a session that has gone waits for the answer in the next', async () => {
  const h = await subscribed();
  h.socket.end();
  const promise = h.client.subscribe('c', ignore);
  assert.equal((await outcome(promise)).status, 'open');
  await h.reconnect({ session: 's2', missed: null });
  h.socket.receive({ type: 'error', code: 'subscribe.denied', message: 'no', id: h.socket.sent[0].id });
  assert.equal((await outcome(promise)).code, 'subscribe.denied');
  const kept = await subscribed();
  kept.socket.end();
  const other = kept.client.subscribe('c', ignore);
  await kept.reconnect({ recovered: true });
  assert.equal((await other).status, 'subscribed');
});

test('the late answer to an unsubscribe of the connection before ends no new subscription', async () => {
  const heard = [];
  const h = await subscribed();
  h.client.unsubscribe('c');
  const { id } = h.socket.sent[1];
  h.socket.end();
  const promise = h.client.subscribe('c', (data) => heard.push(data));
  await h.reconnect({ recovered: true });
  h.socket.receive({ status: 'unsubscribed', channel: 'c', id });
  h.socket.answerAll('subscribe', 'subscribed');
  assert.equal((await promise).status, 'subscribed');
  h.socket.receive({ seq: 1, type: 'message', channel: 'c', data: 1 });
  assert.deepEqual(heard, [1]);
});

test('closed: pending ones are rejected, confirmed ones are there again with a new connection', async () => {
  const h = await subscribed();
  const pending = h.client.subscribe('d', ignore);
  h.socket.end(4003);
  assert.equal((await outcome(pending)).code, 'closed');
  assert.equal((await outcome(h.client.subscribe('e', ignore))).code, 'closed');
  h.client.connect();
  await settled();
  h.socket.welcome({ session: 's2' });
  assert.deepEqual(h.socket.sent.map(({ channel }) => channel), ['c']);
});

test('a channel must be a name, and a handler a function', async () => {
  const h = await connected();
  await assert.rejects(h.client.subscribe('', ignore), TypeError);
  await assert.rejects(h.client.subscribe('c'), TypeError);
  assert.deepEqual(h.socket.sent, []);
});

test('a handler that throws does not keep the others from hearing', async (t) => {
  const heard = [];
  const thrownLater = t.mock.method(globalThis, 'queueMicrotask', () => {});
  const h = await subscribed(() => { throw new Error('choked'); });
  await h.client.subscribe('c', (data) => heard.push(data));
  h.socket.receive({ seq: 1, type: 'message', channel: 'c', data: 1 });
  assert.deepEqual(heard, [1]);
  assert.throws(thrownLater.mock.calls[0].arguments[0], { message: 'choked' });
});
