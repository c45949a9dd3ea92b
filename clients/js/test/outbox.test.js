// SPDX-License-Identifier: MIT
// What becomes of requests: answered, cut off, sent again, refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { outcome, settled, start } from './support/harness.js';

async function connected(options) {
  const h = await start(options);
  h.socket.welcome();
  return h;
}

test('a publish has an id, and its promise is kept by the answer', async () => {
  const { client, socket } = await connected();
  const promise = client.publish('c', { a: 1 });
  const [{ id, ...request }] = socket.sent;
  assert.deepEqual(request, { action: 'publish', channel: 'c', data: { a: 1 } });
  assert.equal(typeof id, 'string');
  assert.equal((await outcome(promise)).status, 'open');
  socket.receive({ status: 'published', channel: 'c', id });
  assert.equal((await promise).status, 'published');
});

test('an error rejects the promise with its code', async () => {
  const { client, socket, events } = await connected();
  const promise = client.publish('c', 1);
  socket.receive({ type: 'error', code: 'publish.denied', message: 'no', id: socket.sent[0].id });
  await assert.rejects(promise, { name: 'SwitchboardError', code: 'publish.denied', message: 'no' });
  assert.equal(events.error.length, 0);
});

test('an error that answers nothing is an event', async () => {
  const { socket, events } = await connected();
  socket.receive({ type: 'error', code: 'json.invalid', message: 'what?' });
  socket.receive({ type: 'error', code: 'internal.error', message: 'oh', id: 'unheard-of' });
  socket.receiveText('[]');
  socket.receiveText('{');
  assert.deepEqual(events.error.map(({ code }) => code), ['json.invalid', 'internal.error', 'protocol', 'protocol']);
});

for (const [name, welcome] of [
  ['recovered', { seq: 0, recovered: true }],
  ['the same session with messages missed', { seq: 200, recovered: false, missed: 100, replayed: 100 }],
]) {
  test(`${name}: unanswered publishes are sent again, as they were and in order, before what was queued`, async () => {
    const h = await connected();
    const data = { n: 1 };
    const promises = [h.client.publish('c', data), h.client.publish('c', 2)];
    const first = structuredClone(h.socket.sent);
    data.n = 'changed';
    h.socket.end();
    promises.push(h.client.publish('c', 3));
    await h.reconnect(welcome);
    assert.deepEqual(h.socket.sent.slice(0, 2), first);
    assert.equal(h.socket.sent[2].data, 3);
    h.socket.answerAll('publish', 'published');
    assert.equal((await Promise.all(promises)).length, 3);
  });
}

test('a new session: unanswered publishes are rejected, queued ones are sent', async () => {
  const h = await connected();
  const unanswered = h.client.publish('c', 1);
  h.socket.end();
  const queued = h.client.publish('c', 2);
  assert.equal((await outcome(unanswered)).status, 'open');
  await h.reconnect({ session: 's2', missed: null });
  assert.equal((await outcome(unanswered)).code, 'unknown-outcome');
  assert.deepEqual(h.socket.of('publish').map(({ data }) => data), [2]);
  assert.equal((await outcome(queued)).status, 'open');
});

test('a second answer to what was sent twice disturbs nobody', async () => {
  const h = await connected();
  const promise = h.client.publish('c', 1);
  h.socket.end();
  await h.reconnect({ recovered: true });
  const { id } = h.socket.sent[0];
  h.socket.receive({ status: 'published', channel: 'c', id });
  h.socket.receive({ status: 'published', channel: 'c', id });
  assert.equal((await promise).id, id);
  assert.equal(h.events.error.length, 0);
});

test('a publish that is cut off twice is sent a third time', async () => {
  const h = await connected();
  h.client.publish('c', 1);
  for (let count = 0; count < 2; count += 1) {
    h.socket.end();
    await h.reconnect({ recovered: true });
    assert.equal(h.socket.of('publish').length, 1);
  }
});

test('a question is asked again, in any session', async () => {
  const h = await connected();
  const promise = h.client.presence('c');
  h.socket.end();
  await h.reconnect({ session: 's2', missed: null });
  const [{ id }] = h.socket.of('presence');
  h.socket.receive({ status: 'presence', channel: 'c', count: 1, users: [{ user: 'ann' }], id });
  assert.equal((await promise).users[0].user, 'ann');
});

test('a message to the application: answered by its id, and never sent twice', async () => {
  const h = await connected();
  const answered = h.client.send({ action: 'send', to: 'bob', data: 1, id: 7 });
  h.socket.receive({ status: 'sent', id: 7 });
  assert.equal((await answered).status, 'sent');
  const cut = h.client.send({ action: 'send', to: 'bob', data: 2, id: 8 });
  h.socket.end();
  assert.equal((await outcome(cut)).code, 'unknown-outcome');
  await h.reconnect({ recovered: true });
  assert.deepEqual(h.socket.sent, []);
});

test('ids that are a number and a string are two ids', async () => {
  const h = await connected();
  const number = h.client.send({ id: 1 });
  const string = h.client.send({ id: '1' });
  h.socket.receive({ status: 'string', id: '1' });
  h.socket.receive({ status: 'number', id: 1 });
  assert.deepEqual([(await number).status, (await string).status], ['number', 'string']);
});

test('without an id a message counts as done when it is on its way', async () => {
  const h = await start();
  const promise = h.client.send({ hello: 1 });
  assert.equal((await outcome(promise)).status, 'open');
  h.socket.welcome();
  assert.equal(await promise, undefined);
  assert.deepEqual(h.socket.sent, [{ hello: 1 }]);
});

test('an id that is still unanswered cannot be used again', async () => {
  const h = await connected();
  h.client.send({ id: 'x' });
  assert.equal((await outcome(h.client.send({ id: 'x' }))).code, 'duplicate-id');
  h.socket.receive({ status: 'ok', id: 'x' });
  assert.equal((await outcome(h.client.send({ id: 'x' }))).status, 'open');
});

test('what cannot be sent is refused at once', async () => {
  const { client } = await connected();
  const circle = {};
  circle.circle = circle;
  await assert.rejects(client.publish('c', undefined), TypeError);
  await assert.rejects(client.publish('c', circle), TypeError);
  await assert.rejects(client.send('text'), TypeError);
  await assert.rejects(client.send([]), TypeError);
});

test('the queue is bounded, in number and in bytes', async () => {
  const h = await start({ maxQueued: 2, maxQueuedBytes: 1000 });
  const kept = [h.client.publish('c', 1), h.client.publish('c', 2)];
  assert.equal((await outcome(h.client.publish('c', 3))).code, 'queue-full');
  assert.equal(h.client.queued, 2);
  h.socket.welcome();
  assert.deepEqual(h.socket.of('publish').map(({ data }) => data), [1, 2]);
  assert.equal((await outcome(kept[0])).status, 'open');

  h.socket.end();
  assert.equal((await outcome(h.client.publish('c', 'x'.repeat(2000)))).code, 'queue-full');
  h.client.publish('c', 4);
  await h.reconnect({ recovered: true });
  assert.deepEqual(h.socket.of('publish').map(({ data }) => data), [1, 2, 4]);
});

test('an id refused with a full queue is free again', async () => {
  const h = await start({ maxQueued: 0 });
  assert.equal((await outcome(h.client.send({ id: 'x' }))).code, 'queue-full');
  h.socket.welcome();
  assert.equal((await outcome(h.client.send({ id: 'x' }))).status, 'open');
});

const limited = ({ socket }, { id }) => socket.receive({ type: 'error', code: 'rate.limited', message: 'slow', id });
const published = ({ socket }, { id, channel }) => socket.receive({ status: 'published', channel, id });

test('of what waited few are unanswered at first, more as answers come, and never so many that a session forgets ids', async () => {
  const h = await start();
  for (let count = 0; count < 400; count += 1) h.client.publish('c', count);
  h.socket.welcome();
  assert.equal(h.socket.sent.length, 4);
  for (let count = 0; count < 4; count += 1) published(h, h.socket.sent[count]);
  assert.equal(h.socket.sent.length, 4 + 5);
  for (let count = 4; count < 200; count += 1) published(h, h.socket.sent[count]);
  assert.equal(h.socket.sent.length, 200 + 50);
  published(h, h.socket.sent[200]);
  assert.equal(h.socket.sent.length, 201 + 50);
  assert.deepEqual(h.socket.sent.map(({ data }) => data), Array.from({ length: 251 }, (_, place) => place));
});

test('what is made while connected is sent as it comes, until there was a refusal for the rate', async () => {
  const h = await connected();
  for (let count = 0; count < 200; count += 1) h.client.publish('c', count);
  assert.equal(h.socket.sent.length, 50);
  limited(h, h.socket.sent[0]);
  for (const request of h.socket.sent.slice(1, 50)) published(h, request);
  await h.clock.advance(750);
  const before = h.socket.sent.length;
  assert.equal(before, 50 + 4); // and no more, from now on
  h.socket.end();
  await h.reconnect({ recovered: true });
  assert.equal(h.socket.sent.length, 4);
  for (let place = 0; place < h.socket.sent.length; place += 1) published(h, h.socket.sent[place]);
  assert.equal(h.socket.sent.length, 151); // all that were left
  h.socket.end();
  await h.reconnect({ recovered: true });
  for (let data = 0; data < 200; data += 1) h.client.publish('c', data);
  assert.equal(h.socket.sent.length, 4);
});

test('what was learnt of a limit outlives the connection', async () => {
  const h = await connected();
  for (let data = 0; data < 10; data += 1) h.client.publish('c', data);
  limited(h, h.socket.sent[0]);
  h.socket.end();
  await h.reconnect({ recovered: true });
  assert.equal(h.socket.sent.length, 1);
});

test('all goes out in the order in which it was asked for, whatever it is', async () => {
  const h = await connected();
  const order = () => h.socket.sent.map(({ action, channel, data, hello }) => action === 'publish' ? data : action ? `${action} ${channel}` : hello);
  const subscribed = h.client.subscribe('c', () => {});
  h.socket.answerAll('subscribe', 'subscribed');
  await subscribed;
  h.socket.end();
  h.client.publish('c', 1);
  for (const name of ['d', 'e', 'f', 'g', 'h']) h.client.subscribe(name, () => {});
  h.client.send({ hello: 'world' });
  for (const data of [2, 3]) h.client.publish('c', data);
  await h.reconnect({ recovered: true });
  assert.equal(h.socket.sent.length, 4);
  h.client.presence('c');
  h.client.unsubscribe('c');
  h.client.publish('d', 4);
  for (let place = 0; place < h.socket.sent.length; place += 1) {
    const { action, channel, id } = h.socket.sent[place];
    if (id) h.socket.receive({ status: `${action}d`, channel, id });
  }
  assert.deepEqual(order(), ['subscribe d', 'subscribe e', 'subscribe f', 'subscribe g', 'subscribe h', 1, 'world', 2, 3,
    'presence c', 'unsubscribe c', 4]);
});

test('what an App has been sent by id holds nothing up', async () => {
  const h = await connected();
  for (let id = 0; id < 100; id += 1) h.client.send({ action: 'think', id });
  h.client.publish('c', 1);
  assert.equal(h.socket.of('publish').length, 1);
});

test('a publish refused for its rate is sent again a little later, in its place, and then one at a time', async () => {
  const h = await connected();
  const promises = [1, 2, 3].map((data) => h.client.publish('c', data));
  const requests = [...h.socket.sent];
  published(h, requests[0]);
  limited(h, requests[1]);
  promises.push(h.client.publish('c', 4), h.client.send({ hello: 1 }));
  limited(h, requests[2]);
  await h.clock.advance(749);
  assert.equal(h.socket.sent.length, 3);
  await h.clock.advance(1);
  assert.deepEqual(h.socket.sent.slice(3), [requests[1]]);
  published(h, requests[1]);
  assert.deepEqual(h.socket.sent.slice(4), [requests[2]]);
  published(h, requests[2]);
  assert.deepEqual(h.socket.sent.slice(5).map(({ data, hello }) => data ?? { hello }), [4, { hello: 1 }]);
  h.socket.answerAll('publish', 'published');
  await Promise.all(promises);
});

test('a question refused for its rate is asked again; a message to the App is not, but all pauses', async () => {
  const h = await connected();
  const question = h.client.presence('c');
  limited(h, h.socket.sent[0]);
  await h.clock.advance(750);
  assert.equal(h.socket.of('presence').length, 2);
  assert.equal((await outcome(question)).status, 'open');
  const message = h.client.send({ action: 'think', id: 1 });
  limited(h, { id: 1 });
  assert.equal((await outcome(message)).code, 'rate.limited');
  h.client.send({ hello: 1 });
  h.client.sendBinary(1);
  assert.equal(h.socket.sent.length, 3);
  await h.clock.advance(750);
  assert.equal(h.socket.sent.length, 5);
});

test('what is refused without an id pauses all, and is told', async () => {
  const h = await connected();
  h.client.send({ hello: 1 });
  h.socket.receive({ type: 'error', code: 'rate.limited', message: 'slow' });
  h.client.publish('c', 1);
  assert.equal(h.socket.sent.length, 1);
  assert.deepEqual(h.events.error.map(({ code }) => code), ['rate.limited']);
  await h.clock.advance(750);
  assert.equal(h.socket.sent.length, 2);
});

test('a publish that was cut off, and is refused for its rate then, is not forgotten to be uncertain', async () => {
  const h = await connected();
  const promise = h.client.publish('c', 1);
  h.socket.end();
  await h.reconnect({ recovered: true });
  limited(h, h.socket.sent[0]);
  h.socket.end();
  await h.reconnect({ session: 's2', missed: null });
  assert.equal((await outcome(promise)).code, 'unknown-outcome');
  assert.deepEqual(h.socket.sent, []);
});

test('a pause ends with its connection', async () => {
  const h = await connected();
  const promise = h.client.publish('c', 1);
  limited(h, h.socket.sent[0]);
  h.socket.end();
  await h.reconnect({ session: 's2', missed: null });
  assert.deepEqual(h.socket.sent.map(({ data }) => data), [1]); // it was not done, so it is done here
  published(h, h.socket.sent[0]);
  assert.equal((await promise).status, 'published');
  h.client.publish('c', 2);
  limited(h, h.socket.sent[1]);
  h.client.close();
  assert.equal(h.clock.pending, 0);
});

test('what the server could not read, and would answer without an id, is refused here', async () => {
  const h = await connected();
  const half = 'an emoji 😀'.slice(0, -1);
  const nested = (levels) => JSON.parse('['.repeat(levels) + ']'.repeat(levels));
  for (const promise of [
    h.client.publish('c', half), h.client.publish('c', { [half]: 1 }), h.client.publish(half, 1), h.client.presence(half),
    h.client.subscribe(half, () => {}), h.client.send({ text: half }), h.client.publish(undefined, 1), h.client.publish('', 1),
    h.client.presence(7), h.client.publish('c', nested(64)), h.client.send({ nested: nested(64) }),
    h.client.send({ type: 'ping', id: 1 }), h.client.send({ type: 'pong' }), h.client.send({ toJSON: () => 'x' }),
    ...[null, true, {}, NaN, 'x'.repeat(127), 'é'.repeat(64)].map((id) => h.client.send({ id })),
  ]) assert.ok((await outcome(promise)).error instanceof TypeError);
  assert.deepEqual(h.socket.sent, []);
  const good = ['an emoji 😀', '\\ud83d', '\\\\ud83d', '"[{'.repeat(100), nested(63), '\u0000'];
  for (const data of good) {
    h.client.publish('c', data);
    published(h, h.socket.sent.at(-1));
  }
  assert.deepEqual(h.socket.sent.map(({ data }) => data), good);
  h.client.send({ id: 'x'.repeat(126) });
  h.client.send({ id: 1.5 });
  assert.equal(h.socket.sent.length, good.length + 2);
});

test('a socket that no longer takes frames keeps nothing from the next one', async () => {
  const h = await connected();
  h.socket.readyState = 2; // the server's Close frame is in, the close event is not yet out
  const promise = h.client.send({ hello: 1 });
  assert.equal((await outcome(promise)).status, 'open');
  h.socket.end(1001);
  await h.reconnect({ recovered: true });
  assert.deepEqual(h.socket.sent, [{ hello: 1 }]);
});

test('stopped: unanswered is unknown, queued was not sent, and nothing more is taken', async () => {
  const h = await connected();
  const unanswered = h.client.publish('c', 1);
  h.socket.end();
  const queued = h.client.publish('c', 2);
  h.client.close();
  assert.equal((await outcome(unanswered)).code, 'unknown-outcome');
  assert.equal((await outcome(queued)).code, 'closed');
  for (const promise of [h.client.publish('c', 3), h.client.send({}), h.client.sendBinary(1), h.client.presence('c')]) {
    assert.equal((await outcome(promise)).code, 'closed');
  }
});

for (const code of [1000, 4001, 4003]) {
  test(`${code} rejects what is unanswered`, async () => {
    const h = await connected();
    const promise = h.client.publish('c', 1);
    h.socket.end(code);
    assert.equal((await outcome(promise)).code, 'unknown-outcome');
  });
}

test('nobody has to look at a promise', async (t) => {
  const unhandled = [];
  const listener = (reason) => unhandled.push(reason);
  process.on('unhandledRejection', listener);
  t.after(() => process.off('unhandledRejection', listener));
  const h = await connected({ maxQueued: 1 });
  h.client.publish('c', 1);
  h.client.publish('c', undefined);
  h.client.subscribe('c', () => {});
  h.client.close();
  h.client.publish('c', 2);
  await settled();
  await settled();
  assert.deepEqual(unhandled, []);
});
