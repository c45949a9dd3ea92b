// SPDX-License-Identifier: MIT
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeBinary, encodeBinary } from '../src/index.js';
import { start } from './support/harness.js';

test('a frame is its type, big-endian, and the payload', () => {
  assert.deepEqual([...encodeBinary(0x01020304, Uint8Array.of(9, 8))], [1, 2, 3, 4, 9, 8]);
  assert.deepEqual([...encodeBinary(0xfffffffe)], [255, 255, 255, 254]);
});

test('a payload may be a buffer or any view, also of a part', () => {
  const bytes = Uint8Array.of(1, 2, 3, 4);
  assert.deepEqual([...encodeBinary(0, bytes.buffer)].slice(4), [1, 2, 3, 4]);
  assert.deepEqual([...encodeBinary(0, new DataView(bytes.buffer, 1, 2))].slice(4), [2, 3]);
});

test('what is no type or no payload is refused', () => {
  for (const type of [-1, 2 ** 32, 1.5, '1', NaN]) assert.throws(() => encodeBinary(type), RangeError);
  assert.throws(() => encodeBinary(1, 'text'), TypeError);
});

test('a frame of a stateful client has type, sequence number and payload', () => {
  const { type, seq, payload } = decodeBinary(Uint8Array.of(0, 0, 0, 7, 0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 5, 6));
  assert.equal(type, 7);
  assert.equal(seq, Number.MAX_SAFE_INTEGER);
  assert.deepEqual([...payload], [5, 6]);
});

test('a frame shorter than its header is an error', () => {
  assert.throws(() => decodeBinary(new Uint8Array(11)), { code: 'protocol' });
  assert.equal(decodeBinary(new Uint8Array(12)).payload.length, 0);
});

test('binary messages count in the same sequence as text', async () => {
  const { client, socket, events } = await start();
  socket.welcome();
  socket.receive({ seq: 1, type: 'message', channel: 'c', data: 1 });
  socket.receiveBinary(7, 2, [1, 2, 3]);
  socket.receiveBinary(7, 2, [1, 2, 3]);
  socket.receiveBinary(8, 5, []);
  assert.deepEqual(events.binary.map(({ type, seq }) => [type, seq]), [[7, 2], [8, 5]]);
  assert.deepEqual([...events.binary[0].payload], [1, 2, 3]);
  assert.deepEqual(events.gap.map(({ missed }) => missed), [2]);
  assert.equal(client.lastSeq, 5);
});

test('a malformed binary frame is reported and the connection lives', async () => {
  const { client, socket, events } = await start();
  socket.welcome();
  socket.onmessage({ data: new ArrayBuffer(3) });
  assert.equal(events.error[0].code, 'protocol');
  assert.equal(client.state, 'connected');
});

test('sendBinary writes the encoded frame, and queues it while away', async () => {
  const h = await start();
  const early = h.client.sendBinary(1, Uint8Array.of(1));
  h.socket.welcome();
  await early;
  await h.client.sendBinary(2, Uint8Array.of(2));
  assert.deepEqual(h.socket.sent.map((frame) => [...frame]), [[0, 0, 0, 1, 1], [0, 0, 0, 2, 2]]);
  await assert.rejects(h.client.sendBinary(-1), RangeError);
});
