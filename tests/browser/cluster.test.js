// SPDX-License-Identifier: MIT
// What scripts/demo cluster starts, seen by two people. CHAT_BINARY, CHROMIUM and SCREENSHOTS (a folder) may be set.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once, EventEmitter } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chatBinary } from '../../clients/js/test/support/chat-server.js';
import { launchBrowser, screenshots } from './support/browser.js';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
let browser;
let cluster;

const freePort = () => new Promise((resolve) => {
  const probe = createServer().listen(0, '127.0.0.1', () => {
    const { port } = probe.address();
    probe.close(() => resolve(port));
  });
});

/** The cluster on a port of its own; `pids` and `ports` are its parts' by their name, as they are now; `starts` emits the name. */
async function startCluster() {
  const process_ = spawn(path('../../examples/cluster/run'), [chatBinary(), '--port', String(await freePort())]);
  const pids = {};
  const ports = {};
  const starts = new EventEmitter();
  let text = '';
  const url = await new Promise((resolve, reject) => {
    const read = (line) => {
      text += `${line}\n`;
      const [, name, pid, port] = /^(\S+) +process (\d+), port (\d+)/.exec(line) ?? [];
      if (name) pids[name] = Number(pid);
      if (name) ports[name] = Number(port);
      if (name) starts.emit(name);
      const place = /the cluster is at (\S+)/.exec(line);
      if (place) resolve(place[1]);
    };
    for (const input of [process_.stdout, process_.stderr]) createInterface({ input }).on('line', read);
    process_.on('exit', () => reject(new Error(`the cluster did not start: ${text}`)));
  });
  const stop = () => new Promise((resolve) => {
    process_.removeAllListeners('exit').on('exit', resolve);
    process_.kill('SIGINT');
  });
  return { url, pids, ports, starts, stop };
}

before(async () => {
  cluster = await startCluster();
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  await cluster?.stop();
});

async function enter(t, name, viewport = { width: 1280, height: 800 }) {
  const context = await browser.newContext({ viewport, reducedMotion: 'reduce' });
  t.after(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  await page.goto(`${cluster.url}/?name=${name}&room=general`);
  await page.locator('#node:not([hidden])').waitFor();
  return page;
}

async function say(page, text) {
  await page.fill('#text', text);
  await page.press('#text', 'Enter');
}

/** Asked until it is so: nothing tells. */
async function isReady(node) {
  while (!(await fetch(`http://127.0.0.1:${cluster.ports[node]}/readyz`)).ok) {
    await new Promise((resolve) => { setTimeout(resolve, 50); });
  }
}

const isRunning = (pid) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

test('two people on two nodes see each other, talk, and go on when the node of one is killed', async (t) => {
  const ann = await enter(t, 'ann');
  const bob = await enter(t, 'bob', { width: 390, height: 844 });
  const nodeOfAnn = await ann.textContent('#node');
  const nodeOfBob = await bob.textContent('#node');
  assert.match(nodeOfAnn, /^node-[123]$/);
  assert.notEqual(nodeOfAnn, nodeOfBob); // HAProxy gives a newcomer the node with the fewest
  await ann.locator('#here', { hasText: 'bob' }).waitFor();

  await say(ann, 'Hello from one node');
  await bob.locator('.text', { hasText: 'Hello from one node' }).waitFor();
  await say(bob, 'Hello from another');
  await ann.locator('.text', { hasText: 'Hello from another' }).waitFor();
  await ann.screenshot({ path: `${screenshots}/cluster.png` });
  await bob.screenshot({ path: `${screenshots}/cluster-phone.png` });

  process.kill(cluster.pids[nodeOfAnn], 'SIGKILL');
  await ann.locator('#node', { hasNotText: nodeOfAnn }).and(ann.locator('#node:not([hidden])')).waitFor();
  await say(bob, 'Are you still there?');
  await ann.locator('.text', { hasText: 'Are you still there?' }).waitFor();
  await say(ann, 'On another node');
  await bob.locator('.text', { hasText: 'On another node' }).waitFor();
});

test('two people on two nodes hear each other again after Redis was killed', async (t) => {
  const ann = await enter(t, 'ann');
  const bob = await enter(t, 'bob');
  assert.notEqual(await ann.textContent('#node'), await bob.textContent('#node'));
  await say(ann, 'Before');
  await bob.locator('.text', { hasText: 'Before' }).waitFor();
  const isBack = once(cluster.starts, 'redis');
  process.kill(cluster.pids.redis, 'SIGKILL');
  await isBack;
  // What is said before that may be lost, and is told as a gap.
  await Promise.all(['node-1', 'node-2', 'node-3'].map(isReady));
  await say(bob, 'And after');
  await ann.locator('.text', { hasText: 'And after' }).waitFor();
  await say(ann, 'So it seems');
  await bob.locator('.text', { hasText: 'So it seems' }).waitFor();
});

test('the cluster takes all its processes with it', async () => {
  const pids = Object.values(cluster.pids);
  assert.ok(pids.length >= 5);
  await cluster.stop();
  cluster = null;
  assert.deepEqual(pids.filter(isRunning), []);
});
