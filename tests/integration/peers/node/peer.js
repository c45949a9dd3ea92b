// SPDX-License-Identifier: MIT
// Node's ws against echo and chat: the scenarios of ../scenarios.txt.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import WebSocket from 'ws';

const [echoPort, chatPort] = process.argv.slice(2);
const MiB = 1 << 20;
const scenarios = new Map();

const within = (promise, what, seconds = 15) => {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no ${what} within ${seconds} s`)), seconds * 1000);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};

/** A WebSocket whose messages are taken one at a time. */
class Peer {
  constructor(url) {
    this.ws = new WebSocket(url, { maxPayload: 64 * MiB });
    this.messages = [];
    this.waiting = [];
    this.closed = new Promise((resolve) => {
      this.ws.on('close', (code) => {
        for (const { reject } of this.waiting.splice(0)) reject(new Error(`closed with ${code}`));
        resolve(code);
      });
    });
    this.ws.on('message', (data, isBinary) => {
      const message = isBinary ? data : data.toString();
      const waiting = this.waiting.shift();
      if (waiting) waiting.resolve(message);
      else this.messages.push(message);
    });
    this.ws.on('error', () => {}); // what matters of it is the close or the missing message
  }
  static async open(url) {
    const peer = new Peer(url);
    await within(once(peer.ws, 'open'), 'open');
    return peer;
  }
  receive() {
    if (this.messages.length > 0) return Promise.resolve(this.messages.shift());
    return within(new Promise((resolve, reject) => this.waiting.push({ resolve, reject })), 'message');
  }
  async echoes(message) {
    this.ws.send(message);
    const answer = await this.receive();
    assert.equal(typeof answer, typeof message, 'text and binary are mixed up');
    assert.ok(typeof message === 'string' ? answer === message : message.equals(answer), 'something else came back');
  }
  closeCode() {
    return within(this.closed, 'close');
  }
  async close(code = 1000, reason = '') {
    this.ws.close(code, reason);
    return this.closeCode();
  }

  // what chat adds
  send(message) {
    this.ws.send(typeof message === 'string' ? message : JSON.stringify(message));
  }
  async receiveJson() {
    return JSON.parse(await this.receive());
  }
  async receives(expected) {
    assert.deepEqual(await this.receiveJson(), expected);
  }
  async receivesBinary(expected) {
    const frame = await this.receive();
    assert.ok(Buffer.isBuffer(frame) && expected.equals(frame), `not the binary message, but ${frame.subarray?.(0, 40).toString('hex') ?? frame}`);
  }
  async receivesError(code, fields = {}) {
    const { message, ...error } = await this.receiveJson();
    assert.deepEqual(error, { type: 'error', code, ...fields });
    assert.equal(typeof message, 'string');
  }
  async subscribe(channel) {
    this.send({ action: 'subscribe', channel });
    await this.receives({ status: 'subscribed', channel });
  }
  /** A ping's pong comes behind everything the server has sent before. */
  async isSilent() {
    this.send({ type: 'ping' });
    await this.receives({ type: 'pong' });
  }
  async cut() {
    this.ws.terminate();
    await this.closeCode();
  }
}

// ---- echo

const echo = () => Peer.open(`ws://127.0.0.1:${echoPort}/ws`);
const everyByte = Buffer.from(Array.from({ length: 256 }, (_, i) => i));

scenarios.set('echo/text', async () => {
  const peer = await echo();
  for (const text of ['hello', '', 'grüße, 漢字, 🎈']) await peer.echoes(text);
  await peer.close();
});

scenarios.set('echo/binary', async () => {
  const peer = await echo();
  for (const data of [everyByte, Buffer.alloc(0)]) await peer.echoes(data);
  await peer.close();
});

scenarios.set('echo/lengths', async () => {
  const peer = await echo();
  for (const size of [125, 126, 127, 65535, 65536]) {
    await peer.echoes(Buffer.alloc(size, 'x'));
    await peer.echoes('x'.repeat(size));
  }
  await peer.close();
});

scenarios.set('echo/16-mib', async () => {
  const peer = await echo();
  await peer.echoes(Buffer.alloc(16 * MiB, everyByte));
  await peer.close();
});

scenarios.set('echo/fragments', async () => {
  const peer = await echo();
  const balloon = Buffer.from('🎈');
  const pong = once(peer.ws, 'pong');
  peer.ws.send(Buffer.concat([Buffer.from('a '), balloon.subarray(0, 2)]), { binary: false, fin: false });
  peer.ws.ping('between');
  peer.ws.send(balloon.subarray(2), { binary: false, fin: false });
  peer.ws.send(Buffer.from(' flies'), { binary: false, fin: true });
  assert.equal(await peer.receive(), 'a 🎈 flies');
  assert.equal((await within(pong, 'pong'))[0].toString(), 'between');
  await peer.close();
});

scenarios.set('echo/many-fragments', async () => {
  const peer = await echo();
  const whole = Buffer.alloc(MiB, everyByte);
  for (let at = 0; at < MiB; at += 1000)
    peer.ws.send(whole.subarray(at, at + 1000), { binary: true, fin: at + 1000 >= MiB });
  assert.ok(whole.equals(await peer.receive()), 'other bytes came back');
  await peer.close();
});

scenarios.set('echo/order', async () => {
  const peer = await echo();
  for (let i = 0; i < 500; ++i) peer.ws.send(String(i));
  for (let i = 0; i < 500; ++i) assert.equal(await peer.receive(), String(i));
  await peer.close();
});

scenarios.set('echo/ping', async () => {
  const peer = await echo();
  const payload = everyByte.subarray(0, 125);
  const pong = once(peer.ws, 'pong');
  peer.ws.ping(payload);
  assert.ok(payload.equals((await within(pong, 'pong'))[0]), 'another payload');
  await peer.close();
});

scenarios.set('echo/close-normal', async () => {
  const peer = await echo();
  assert.equal(await peer.close(1000, 'bye'), 1000);
});

scenarios.set('echo/close-application', async () => {
  const peer = await echo();
  assert.equal(await peer.close(4321, 'for a reason'), 4321);
});

scenarios.set('echo/bad-utf8', async () => {
  const peer = await echo();
  peer.ws.send(Buffer.from([0x62, 0xff]), { binary: false });
  assert.equal(await peer.closeCode(), 1007);
});

scenarios.set('echo/breach', async () => {
  const peer = await echo();
  peer.ws._socket.write(Buffer.from([0x83, 0x80, 0, 0, 0, 0])); // ws itself sends no such frame
  assert.equal(await peer.closeCode(), 1002);
});

scenarios.set('echo/too-large', async () => {
  const peer = await echo();
  peer.ws.send(Buffer.alloc(16 * MiB + 1));
  assert.equal(await peer.closeCode(), 1009);
});

// ---- chat

const url = (user, query, path = '/ws') => {
  const parts = [user && `token=node-${user}`, query].filter(Boolean);
  return `ws://127.0.0.1:${chatPort}${path}?${parts.join('&')}`;
};
const chat = (user, query) => Peer.open(url(user, query));
const stateful = async (user, lastSeq = 0, session = '') => {
  const peer = await chat(user, `last_seq=${lastSeq}` + (session && `&session=${session}`));
  peer.welcome = await peer.receiveJson();
  assert.equal(peer.welcome.type, 'welcome');
  return peer;
};
const welcomeIs = (peer, expected) => {
  const { type, session, heartbeat, ...rest } = peer.welcome;
  assert.deepEqual(rest, expected);
};
const statusOf = async (...where) => {
  const { ws } = new Peer(url(...where));
  const [, response] = await within(once(ws, 'unexpected-response'), 'refusal');
  ws.terminate();
  return response.statusCode;
};
const closeAll = (...peers) => Promise.all(peers.map((peer) => peer.close()));

scenarios.set('chat/refusals', async () => {
  assert.equal(await statusOf(null), 401);
  assert.equal(await statusOf('ann', '', '/elsewhere'), 404);
  assert.equal(await statusOf('ann', 'last_seq=one'), 400);
});

scenarios.set('chat/publish', async () => {
  const ann = await chat('ann');
  await ann.subscribe('publish');
  ann.send({ action: 'publish', channel: 'publish', data: { text: 'hi' } });
  await ann.receives({ type: 'message', channel: 'publish', data: { text: 'hi' } });
  ann.send({ action: 'publish', channel: 'publish', data: [1, null], id: 7 });
  const frames = [await ann.receiveJson(), await ann.receiveJson()].sort((a, b) => ('id' in a) - ('id' in b));
  assert.deepEqual(frames, [{ type: 'message', channel: 'publish', data: [1, null] },
                            { status: 'published', channel: 'publish', id: 7 }]);
  await ann.close();
});

scenarios.set('chat/fan-out', async () => {
  const [ann, bob] = [await chat('ann'), await chat('bob')];
  await bob.subscribe('fan-out');
  for (let i = 0; i < 100; ++i) ann.send({ action: 'publish', channel: 'fan-out', data: i });
  for (let i = 0; i < 100; ++i) await bob.receives({ type: 'message', channel: 'fan-out', data: i });
  bob.send({ action: 'unsubscribe', channel: 'fan-out', id: 'u' });
  await bob.receives({ status: 'unsubscribed', channel: 'fan-out', id: 'u' });
  ann.send({ action: 'publish', channel: 'fan-out', data: 'late', id: 1 });
  await ann.receives({ status: 'published', channel: 'fan-out', id: 1 });
  await bob.isSilent();
  await closeAll(ann, bob);
});

scenarios.set('chat/digits', async () => {
  const ann = await chat('ann');
  await ann.subscribe('digits');
  ann.send('{"action":"publish","channel":"digits","data":[12345678901234567890123, 1.10]}');
  assert.equal(await ann.receive(), '{"type":"message","channel":"digits","data":[12345678901234567890123, 1.10]}');
  await ann.close();
});

scenarios.set('chat/errors', async () => {
  const ann = await chat('ann');
  const mistakes = [
    ['{', 'json.invalid'], ['['.repeat(70) + ']'.repeat(70), 'json.too_deep'], ['[]', 'message.not_object'],
    ['{"action":"dance"}', 'action.unknown'], ['{}', 'action.unknown'], ['{"action":5}', 'field.invalid'],
    ['{"action":"subscribe"}', 'field.missing'], ['{"action":"subscribe","channel":null}', 'field.invalid'],
    ['{"action":"publish","channel":"c"}', 'field.missing'], ['{"action":"subscribe","channel":""}', 'channel.invalid'],
    ['{"action":"subscribe","channel":"a\\nb"}', 'channel.invalid'],
    ['{"action":"subscribe","channel":"$user:bob"}', 'channel.reserved'],
    ['{"action":"publish","channel":"$x","data":1}', 'channel.reserved'],
    [`{"action":"subscribe","channel":"${'x'.repeat(201)}"}`, 'channel.too_long'],
    ['{"action":"presence","channel":"not-mine"}', 'presence.denied'],
  ];
  for (const [text, code] of mistakes) {
    ann.send(text);
    await ann.receivesError(code);
  }
  ann.send({ action: 'dance', id: 'request 1' });
  await ann.receivesError('action.unknown', { id: 'request 1' });
  ann.send({ action: 'subscribe', channel: 'c', id: [1] });
  await ann.receivesError('field.invalid');
  await ann.isSilent();
  await ann.close();
});

scenarios.set('chat/direct', async () => {
  const [ann, bob, bobToo] = [await chat('ann'), await chat('bob'), await chat('bob')];
  ann.send({ action: 'send', to: 'node-bob', data: { text: 'psst' }, id: 1 });
  await ann.receives({ status: 'sent', id: 1 });
  for (const each of [bob, bobToo]) await each.receives({ type: 'direct', from: 'node-ann', data: { text: 'psst' } });
  ann.send({ action: 'send', to: 'nobody', data: 1, id: 'absent' });
  await ann.receives({ status: 'sent', id: 'absent' });
  ann.send({ action: 'send', to: 'nobody', data: 1 });
  ann.send({ action: 'send', data: 1, id: 2 });
  await ann.receivesError('field.missing', { id: 2 });
  ann.send({ action: 'send', to: 'node-bob' });
  await ann.receivesError('field.missing');
  ann.send({ action: 'send', to: 5, data: 1 });
  await ann.receivesError('field.invalid');
  await closeAll(ann, bob, bobToo);
});

scenarios.set('chat/presence', async () => {
  const ann = await chat('ann');
  ann.send({ action: 'subscribe', channel: 'room', presence: true });
  await ann.receives({ status: 'subscribed', channel: 'room' });
  const bob = await chat('bob');
  await bob.subscribe('room');
  await ann.receives({ type: 'join', channel: 'room', user: 'node-bob' });
  ann.send({ action: 'presence', channel: 'room' });
  const { status, count, users } = await ann.receiveJson();
  assert.deepEqual([status, count, users.map(({ user }) => user).sort()], ['presence', 2, ['node-ann', 'node-bob']]);
  await bob.close();
  await ann.receives({ type: 'leave', channel: 'room', user: 'node-bob' });
  await ann.close();
});

scenarios.set('chat/json-ping', async () => {
  const ann = await chat('ann');
  ann.send({ type: 'ping' });
  await ann.receives({ type: 'pong' });
  await ann.close();
});

scenarios.set('chat/resume', async () => {
  const bob = await chat('bob');
  const first = await stateful('ann');
  const { session } = first.welcome;
  welcomeIs(first, { seq: 0, recovered: false, replayed: 0, missed: 0 });
  await first.subscribe('resume');
  bob.send({ action: 'publish', channel: 'resume', data: 'first' });
  await first.receives({ seq: 1, type: 'message', channel: 'resume', data: 'first' });
  await first.cut();
  for (let i = 0; i < 3; ++i) {
    bob.send({ action: 'publish', channel: 'resume', data: i, id: i });
    await bob.receives({ status: 'published', channel: 'resume', id: i });
  }
  const back = await stateful('ann', 1, session);
  welcomeIs(back, { seq: 4, recovered: true, replayed: 3, missed: 0 });
  assert.equal(back.welcome.session, session);
  for (let i = 0; i < 3; ++i) await back.receives({ seq: 2 + i, type: 'message', channel: 'resume', data: i });
  bob.send({ action: 'publish', channel: 'resume', data: 'live' });
  await back.receives({ seq: 5, type: 'message', channel: 'resume', data: 'live' });
  await closeAll(bob, back);
});

scenarios.set('chat/unknown-session', async () => {
  const ann = await stateful('ann', 5, 'no-such-session');
  welcomeIs(ann, { seq: 0, recovered: false, replayed: 0, missed: null });
  await ann.close();
});

scenarios.set('chat/taken-over', async () => {
  const first = await stateful('ann');
  const second = await stateful('ann', 0, first.welcome.session);
  assert.equal(await first.closeCode(), 4001);
  assert.deepEqual([second.welcome.session, second.welcome.recovered], [first.welcome.session, true]);
  await second.isSilent();
  await second.close();
});

const u32 = (value) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const u64 = (value) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
};
const imageMessage = (room, image) => {
  const name = Buffer.from(room);
  return Buffer.concat([Buffer.from([name.length >> 8, name.length & 0xff]), name, image]);
};

scenarios.set('chat/image', async () => {
  const payload = imageMessage('images', Buffer.concat([Buffer.from('\x89PNG', 'latin1'), everyByte]));
  const [bob, ann] = [await chat('bob'), await stateful('ann')];
  await bob.subscribe('images');
  await ann.subscribe('images');
  const frame = Buffer.concat([u32(1), payload]);
  bob.ws.send(frame);
  await bob.receivesBinary(frame);
  await ann.receivesBinary(Buffer.concat([u32(1), u64(1), payload]));
  await ann.cut();
  bob.ws.send(frame);
  await bob.receivesBinary(frame);
  const back = await stateful('ann', 1, ann.welcome.session);
  await back.receivesBinary(Buffer.concat([u32(1), u64(2), payload]));
  await closeAll(bob, back);
});

scenarios.set('chat/binary-errors', async () => {
  const ann = await chat('ann');
  const mistakes = [
    [Buffer.from('abc'), 'binary.short'], [Buffer.concat([u32(999), Buffer.from('x')]), 'binary.unknown'],
    [Buffer.concat([u32(1), Buffer.alloc(MiB + 1)]), 'binary.too_large'],
    [Buffer.concat([u32(1), Buffer.from([500 >> 8, 500 & 0xff]), Buffer.from('room')]), 'image.invalid'],
  ];
  for (const [frame, code] of mistakes) {
    ann.ws.send(frame);
    await ann.receivesError(code);
  }
  await ann.isSilent();
  await ann.close();
});

scenarios.set('chat/close', async () => {
  const ann = await chat('ann');
  assert.equal(await ann.close(1000), 1000);
});

let failed = 0;
for (const [name, run] of scenarios) {
  try {
    await within(run(), 'end', 60);
    console.log('ok', name);
  } catch (error) {
    ++failed;
    console.log(`FAILED ${name}: ${String(error.message ?? error).replaceAll('\n', ' ')}`);
  }
}
process.exit(failed === 0 ? 0 : 1);
