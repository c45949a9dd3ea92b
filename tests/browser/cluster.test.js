// SPDX-License-Identifier: MIT
// What scripts/demo cluster starts, seen by two people. CHAT_BINARY, CHROMIUM and SCREENSHOTS (a folder) may be set.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
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

/** The cluster on a port of its own; `pids` are its parts' by their name, as they are now. */
async function startCluster() {
  const process_ = spawn(path('../../examples/cluster/run'), [chatBinary(), '--port', String(await freePort())]);
  const pids = {};
  let text = '';
  const url = await new Promise((resolve, reject) => {
    const read = (chunk) => {
      text += chunk;
      for (const [, name, pid] of text.matchAll(/^(\S+) +process (\d+)/gm)) pids[name] = Number(pid);
      const place = /the cluster is at (\S+)/.exec(text);
      if (place) resolve(place[1]);
    };
    process_.stdout.on('data', read);
    process_.stderr.on('data', read);
    process_.on('exit', () => reject(new Error(`the cluster did not start: ${text}`)));
  });
  const stop = () => new Promise((resolve) => {
    process_.removeAllListeners('exit').on('exit', resolve);
    process_.kill('SIGINT');
  });
  return { url, pids, stop };
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

test('the cluster takes all its processes with it', async () => {
  const pids = Object.values(cluster.pids);
  assert.ok(pids.length >= 5);
  await cluster.stop();
  cluster = null;
  assert.deepEqual(pids.filter(isRunning), []);
});
