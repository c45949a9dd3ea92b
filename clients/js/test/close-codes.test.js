// SPDX-License-Identifier: MIT
// Every row of the protocol's table of close codes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settled, start } from './support/harness.js';

async function closedWith(code, options) {
  const h = await start(options);
  h.socket.welcome({ session: 's1', seq: 0 });
  h.socket.receive({ seq: 1, type: 'message', channel: 'c', data: 1 });
  h.socket.end(code, 'why');
  await settled();
  return h;
}

for (const code of [1001, 1005, 1006, 1011, 1012, 1013, 4002, 4999]) {
  test(`${code}: back, with jitter, to the same session`, async () => {
    const h = await closedWith(code);
    assert.equal(h.client.state, 'waiting');
    assert.equal(h.lastState.delay, 500);
    assert.equal(h.lastState.code, code);
    await h.clock.advance(499);
    assert.equal(h.sockets.length, 1);
    await h.clock.advance(1);
    assert.equal(h.sockets.length, 2);
    assert.equal(h.socket.query('session'), 's1');
    assert.equal(h.socket.query('last_seq'), '1');
  });
}

for (const code of [1000, 4003]) {
  test(`${code}: stops, and the session is gone`, async () => {
    const h = await closedWith(code);
    assert.deepEqual([h.client.state, h.lastState.code, h.lastState.reason], ['closed', code, 'why']);
    assert.deepEqual([h.client.session, h.client.lastSeq], [null, 0]);
    await h.clock.advance(3_600_000);
    assert.equal(h.sockets.length, 1);
    assert.equal(h.clock.pending, 0);
    assert.equal(h.events.error.length, 0);
  });
}

for (const code of [1002, 1003, 1007, 1009]) {
  test(`${code}: stops and reports`, async () => {
    const h = await closedWith(code);
    assert.equal(h.client.state, 'closed');
    assert.deepEqual(h.events.error.map((error) => [error.code, error.closeCode]), [['protocol', code]]);
    await h.clock.advance(3_600_000);
    assert.equal(h.sockets.length, 1);
  });
}

test('1008: back after at least 30 s, whatever happens meanwhile', async () => {
  const h = await closedWith(1008);
  assert.equal(h.lastState.delay, 30_500);
  await h.clock.advance(10_000);
  h.environment.callbacks.visible();
  h.environment.goOffline();
  h.environment.goOnline();
  h.client.connect();
  await h.clock.advance(19_999);
  assert.equal(h.sockets.length, 1);
  await h.clock.advance(600);
  assert.equal(h.sockets.length, 2);
});

test('1008: with jitter of zero it is 30 s exactly', async () => {
  const h = await closedWith(1008, { random: () => 0 });
  assert.equal(h.lastState.delay, 30_000);
});

test('4001: never back by itself, forgets the session, says "replaced"', async () => {
  const h = await closedWith(4001);
  assert.equal(h.client.state, 'closed');
  assert.equal(h.events.replaced.length, 1);
  assert.equal(h.client.session, null);
  await h.clock.advance(3_600_000);
  assert.equal(h.sockets.length, 1);
  assert.equal(h.environment.callbacks, null);

  h.client.connect();
  await settled();
  assert.equal(h.socket.query('session'), null);
  assert.equal(h.socket.query('last_seq'), '0');
});

test('4401: asks its owner for a token, saying that the last one has ended', async () => {
  const asked = [];
  const token = async (request) => {
    asked.push(request.hasEnded);
    return `token ${asked.length}`;
  };
  const h = await closedWith(4401, { token });
  await h.clock.advance(500);
  assert.deepEqual(asked, [false, true]);
  assert.equal(h.socket.query('token'), 'token 2');
  assert.equal(h.socket.query('session'), 's1');
  h.socket.welcome({ session: 's2' });
  assert.deepEqual(h.events.gap.map(({ missed, isSameSession }) => [missed, isSameSession]), [[null, false]]);
  h.socket.end(1006);
  await h.clock.advance(1000);
  assert.deepEqual(asked, [false, true, false]);
});

test('4401: a token that is a string cannot be asked for, so the client stops until it gets another', async () => {
  const h = await closedWith(4401);
  assert.deepEqual([h.client.state, h.lastState.code], ['closed', 4401]);
  h.client.setToken('bob');
  h.client.connect();
  await settled();
  assert.equal(h.socket.query('token'), 'bob');
});
