// SPDX-License-Identifier: MIT
// The client that docs/protocol.md shows, as it stands there, against the chat server. CHAT_BINARY names the program.
import assert from 'node:assert/strict';
import { once, EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import WebSocket from 'ws';
import { ReconnectingWebSocket } from '../src/index.js';
import { layCable } from './support/cable.js';
import { startChat } from './support/chat-server.js';

const page = readFileSync(new URL('../../../docs/protocol.md', import.meta.url), 'utf8');
const [, code] = /^```js\n(.*?)^```$/ms.exec(page);

test('the client of the protocol page hears each message once, also those that it was away for', async (t) => {
  const server = await startChat();
  t.after(() => server.stop());
  const cable = await layCable(server.port);
  t.after(cable.close);
  const bob = new ReconnectingWebSocket(`${server.url}/ws`, { token: 'bob', WebSocket });
  t.after(() => bob.close());

  const heard = [];
  const events = new EventEmitter();
  let isOver = false;
  t.after(() => { isOver = true; });
  class Here extends WebSocket {
    constructor(url) {
      assert.ok(url.startsWith('ws://localhost:8080/ws?'), url);
      super(url.replace('ws://localhost:8080', cable.url.replace('http', 'ws')));
      this.on('error', () => {});
      this.on('message', (data) => {
        const frame = JSON.parse(data);
        events.emit(frame.status ?? frame.type, frame);
      });
    }
  }
  const log = (channel, data) => {
    assert.equal(channel, 'updates');
    heard.push(data);
  };
  const soon = (callback) => setTimeout(() => { if (!isOver) callback(); }, 10);

  const subscribed = once(events, 'subscribed');
  new Function('WebSocket', 'console', 'setTimeout', code)(Here, { log }, soon);
  await subscribed;
  let message = once(events, 'message');
  await bob.publish('updates', 1);
  await message;

  cable.pull();
  await bob.publish('updates', 2);
  message = once(events, 'message');
  const welcome = once(events, 'welcome');
  cable.plugIn();
  assert.equal((await welcome)[0].recovered, true);
  await message;
  message = once(events, 'message');
  await bob.publish('updates', 3);
  await message;
  assert.deepEqual(heard, [1, 2, 3]);
});
