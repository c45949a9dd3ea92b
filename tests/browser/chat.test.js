// SPDX-License-Identifier: MIT
// The chat's page in Chromium, against the real server. CHAT_BINARY, CHROMIUM and SCREENSHOTS (a folder) may be set.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { layCable } from '../../clients/js/test/support/cable.js';
import { startChat } from '../../clients/js/test/support/chat-server.js';
import { launchBrowser, screenshots } from './support/browser.js';

const REPLAY = 20;
const desktop = { width: 1280, height: 800 };
const phone = { width: 390, height: 844 };
let browser;
let server;

before(async () => {
  server = await startChat({ options: ['--replay', REPLAY] });
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

async function openPage(t, address, { viewport = desktop, colorScheme = 'light' } = {}) {
  const context = await browser.newContext({ viewport, colorScheme, reducedMotion: 'reduce' });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const problems = [];
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('console', (message) => {
    // Chromium itself reports each connection that fails, which is what some of these tests are about.
    if (message.type() === 'error' && !/WebSocket connection|ERR_/.test(message.text())) problems.push(message.text());
  });
  t.after(async () => {
    await context.close();
    assert.deepEqual(problems, []);
  });
  await page.goto(address);
  return page;
}

/** In a room of the test's own, so that tests do not hear each other. */
async function enter(t, name, room, options = {}) {
  const page = await openPage(t, `${options.url ?? server.url}/?name=${name}&room=${room}`, options);
  await pill(page, 'connected');
  await page.locator('#here', { hasText: `${name} (you)` }).waitFor({ state: 'attached' });
  return page;
}

const pill = (page, state, text = '') => page.locator(`#pill[data-state=${state}]`, { hasText: text }).waitFor();

async function say(page, text) {
  await page.fill('#text', text);
  await page.press('#text', 'Enter');
}

/** Everything that has arrived, in the order of the screen; an image is "[image]". */
const shown = (page) => page.evaluate(() => [...document.querySelectorAll(
  '#messages .entries:not(.waiting-entries) :is(.text, .picture)',
)].map((node) => (node.matches('.picture') ? '[image]' : node.textContent)));

async function untilShown(page, expected) {
  await page.waitForFunction((count) => document.querySelectorAll(
    '#messages .entries:not(.waiting-entries) :is(.text, .picture)',
  ).length >= count, expected.length);
  assert.deepEqual(await shown(page), expected);
}

const range = (from, to, word) => Array.from({ length: to - from + 1 }, (_, index) => `${word} ${from + index}`);

/** A picture that looks like one, drawn by the page itself. */
async function sendPicture(page) {
  const data = await page.evaluate(() => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 640, height: 360 });
    const pen = canvas.getContext('2d');
    const sky = pen.createLinearGradient(0, 0, 640, 360);
    sky.addColorStop(0, '#0c6b64');
    sky.addColorStop(1, '#173a5e');
    pen.fillStyle = sky;
    pen.fillRect(0, 0, 640, 360);
    pen.strokeStyle = 'rgb(255 255 255 / 85%)';
    pen.lineWidth = 4;
    pen.beginPath();
    for (let x = 0; x <= 40; x += 1) pen.lineTo(30 + x * 14.5, 250 - Math.sin(x / 5) * 40 - x * 2.2);
    pen.stroke();
    pen.fillStyle = '#fff';
    pen.font = '600 26px sans-serif';
    pen.fillText('deliveries per second', 32, 58);
    return canvas.toDataURL('image/png').split(',')[1];
  });
  await page.setInputFiles('#file', { name: 'board.png', mimeType: 'image/png', buffer: Buffer.from(data, 'base64') });
}

const photograph = (page, name) => page.screenshot({ path: `${screenshots}/${name}.png` });

async function assertFits(page) {
  const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(content <= window, `the page is ${content} wide in a window of ${window}`);
}

test('two pages chat; one is cut, messages and an image go on; it comes back with all of them, once and in order', async (t) => {
  const ann = await enter(t, 'ann', 'plug');
  const bob = await enter(t, 'bob', 'plug');
  await say(ann, 'Can you hear me?');
  await untilShown(bob, ['Can you hear me?']);
  await say(bob, 'Loud and clear.');
  await untilShown(ann, ['Can you hear me?', 'Loud and clear.']);

  await bob.click('#cut');
  await pill(bob, 'cut', 'Cut off');
  await say(bob, 'Written without a connection.');
  await bob.locator('.waiting', { hasText: 'Written without a connection.' }).waitFor();
  await photograph(bob, 'cut');
  for (const text of range(1, 3, 'Meanwhile')) await say(ann, text);
  await sendPicture(ann);
  await untilShown(ann, ['Can you hear me?', 'Loud and clear.', ...range(1, 3, 'Meanwhile'), '[image]']);
  await say(ann, 'Meanwhile 4');
  assert.deepEqual(await shown(bob), ['Can you hear me?', 'Loud and clear.']);

  await bob.click('#cut');
  const all = ['Can you hear me?', 'Loud and clear.', ...range(1, 3, 'Meanwhile'), '[image]', 'Meanwhile 4',
    'Written without a connection.'];
  await untilShown(bob, all);
  await pill(bob, 'recovered', 'Recovered 5 messages');
  await bob.locator('.divider.recovered', { hasText: '5 messages recovered' }).waitFor();
  await untilShown(ann, all);
  assert.equal(await bob.locator('.waiting').count(), 0);
  const size = await bob.locator('.picture').evaluate(async (picture) => {
    await picture.decode();
    return [picture.naturalWidth, picture.naturalHeight];
  });
  assert.deepEqual(size, [640, 360]);
  await photograph(bob, 'recovered');

  await say(ann, 'Welcome back.');
  await untilShown(bob, [...all, 'Welcome back.']);
});

test('a gap larger than the buffer is told with its size', async (t) => {
  // The page also hears who comes and which rooms there are, and that counts, too: so nobody else, and no new room.
  const own = await startChat({ options: ['--replay', REPLAY] });
  t.after(own.kill);
  const ann = await enter(t, 'ann', 'general', own);
  const bob = await enter(t, 'bob', 'general', own);
  await say(ann, 'Before');
  await untilShown(bob, ['Before']);
  await bob.click('#cut');
  await pill(bob, 'cut');
  const said = range(1, REPLAY + 42, 'Message');
  for (const text of said) await say(ann, text);
  await untilShown(ann, ['Before', ...said]);
  await bob.click('#cut');
  await pill(bob, 'lost', 'Lost 42 messages');
  await bob.locator('.divider.gap', { hasText: '42 messages were lost while you were away' }).waitFor();
  await untilShown(bob, ['Before', ...said.slice(42)]);
  await bob.locator('.divider.gap').scrollIntoViewIfNeeded();
  await photograph(bob, 'gap');
});

test('a cable is pulled: the page counts down, comes back, and nobody saw it leave', async (t) => {
  const cable = await layCable(server.port);
  t.after(cable.close);
  const ann = await enter(t, 'ann', 'cable');
  const bob = await enter(t, 'bob', 'cable', { url: cable.url });
  await say(ann, 'One');
  await untilShown(bob, ['One']);
  cable.pull();
  await pill(bob, 'waiting', /Reconnecting in \d+ s/);
  await say(ann, 'Two');
  cable.plugIn();
  await pill(bob, 'recovered', 'Recovered 1 message');
  await untilShown(bob, ['One', 'Two']);
  assert.equal(await ann.locator('.notice', { hasText: 'bob left' }).count(), 0);
});

test('the server is killed and started again: the page recovers, says so, and sends what waited', async (t) => {
  let own = await startChat();
  t.after(() => own.kill());
  const ann = await enter(t, 'ann', 'crash', own);
  const bob = await enter(t, 'bob', 'crash', own);
  await say(ann, 'Before');
  await untilShown(bob, ['Before']);
  await own.kill();
  await pill(bob, 'waiting');
  await say(bob, 'Written while the server was away');
  own = await startChat({ port: own.port });
  await Promise.all([ann, bob].map((page) => page.locator('.divider.gap', { hasText: 'some messages were lost' }).waitFor()));
  await bob.locator('#messages .entries:not(.waiting-entries) .text', { hasText: 'Written while' }).waitFor();
  const before = await shown(ann); // whether ann was back in time for it is a matter of chance
  await say(ann, 'After');
  await untilShown(ann, [...before, 'After']);
  await untilShown(bob, ['Before', 'Written while the server was away', 'After']);
});

test('people come and go, rooms are found, and words in private stay private', async (t) => {
  const ann = await enter(t, 'ann', 'people');
  const bob = await enter(t, 'bob', 'people');
  await ann.locator('.notice', { hasText: 'bob joined' }).waitFor();
  await ann.locator('#here', { hasText: 'bob' }).waitFor();
  await bob.fill('#room-name', 'harbour');
  await bob.press('#room-name', 'Enter');
  await bob.locator('#title', { hasText: '# harbour' }).waitFor();
  await ann.locator('#rooms button', { hasText: 'harbour' }).click();
  await ann.locator('#here', { hasText: 'bob' }).waitFor();

  await say(ann, '@bob between us');
  await ann.locator('#title', { hasText: '@ bob' }).waitFor();
  await untilShown(ann, ['between us']);
  await bob.locator('#directs button', { hasText: 'ann' }).click();
  await untilShown(bob, ['between us']);
  await say(bob, 'of course');
  await untilShown(ann, ['between us', 'of course']);

  await bob.locator('#rooms button', { hasText: 'people' }).click();
  await bob.locator('#subtitle button', { hasText: 'Leave room' }).click();
  await ann.locator('#rooms button', { hasText: 'people' }).click();
  await ann.locator('.notice', { hasText: 'bob left' }).waitFor();
});

test('text is text, whatever it looks like', async (t) => {
  const ann = await enter(t, 'ann', 'markup');
  const nasty = '<img src=x onerror="document.title=\'owned\'"><b>bold</b> &amp; ‮backwards';
  await say(ann, nasty);
  await untilShown(ann, [nasty]);
  assert.equal(await ann.locator('#messages b, #messages img').count(), 0);
});

test('the same session in two windows: the first says so, and can take it back', async (t) => {
  const ann = await enter(t, 'ann', 'twice');
  await ann.evaluate(async () => {
    const { ReconnectingWebSocket } = await import('./switchboard/index.js');
    const { session, lastSeq } = window.chat.client;
    window.other = new ReconnectingWebSocket('/ws', { token: 'ann', resume: { session, lastSeq } });
  });
  await ann.locator('#banner', { hasText: 'goes on in another window' }).waitFor();
  await pill(ann, 'closed');
  await ann.click('#banner-button');
  await pill(ann, 'connected');
  await say(ann, 'Here again');
  await untilShown(ann, ['Here again']);
});

test('a name is asked for, and one with a space is refused', async (t) => {
  const page = await openPage(t, server.url);
  await page.locator('#demo-note', { hasText: 'no passwords' }).waitFor();
  await page.fill('#name', 'two words');
  await page.press('#name', 'Enter');
  await page.locator('#name-error', { hasText: 'no spaces' }).waitFor();
  await photograph(page, 'entry');
  await page.fill('#name', 'zoë');
  await page.press('#name', 'Enter');
  await pill(page, 'connected');
  await page.reload();
  await page.locator('#my-name', { hasText: 'zoë' }).waitFor();
});

for (const colorScheme of ['light', 'dark']) {
  for (const [size, viewport] of [['desktop', desktop], ['phone', phone]]) {
    test(`the page fits and is usable: ${colorScheme}, ${size}`, async (t) => {
      const room = `launch-${colorScheme}-${size}`;
      const ann = await enter(t, 'ann', room, { colorScheme, viewport });
      const bob = await enter(t, 'bob', room);
      await say(ann, 'Morning! Is the new release still going out today?');
      await untilShown(bob, ['Morning! Is the new release still going out today?']);
      await say(bob, 'Yes, the canary is green since six. I only want to watch the reconnects for an hour.');
      await say(bob, 'The fan-out is where it should be:');
      await sendPicture(bob);
      await ann.locator('.picture').waitFor();
      await say(ann, 'Lovely. I cut my tunnel test short, then.');
      await untilShown(ann, await shown(bob).then(() => [
        'Morning! Is the new release still going out today?',
        'Yes, the canary is green since six. I only want to watch the reconnects for an hour.',
        'The fan-out is where it should be:', '[image]', 'Lovely. I cut my tunnel test short, then.']));
      await assertFits(ann);
      await photograph(ann, `chat-${colorScheme}-${size}`);
      if (size === 'desktop') return;
      await ann.click('#open-sidebar');
      await ann.locator('#sidebar.is-open').waitFor();
      await photograph(ann, `rooms-${colorScheme}-${size}`);
      await ann.keyboard.press('Escape');
      await ann.click('#open-people');
      await ann.locator('#here button', { hasText: 'bob' }).click();
      await ann.locator('#title', { hasText: '@ bob' }).waitFor();
      await assertFits(ann);
    });
  }
}
