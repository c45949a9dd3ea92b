// SPDX-License-Identifier: MIT
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../src/environment.js';

test('a wait longer than a timer can be is as long as it can be, not none', (t) => {
  const delays = [];
  t.mock.method(globalThis, 'setTimeout', (_, delay) => { delays.push(delay); });
  for (const delay of [20, 2 ** 31 - 1, 2 ** 31, 9_223_372_036_854, Infinity]) systemClock.setTimeout(() => {}, delay);
  assert.deepEqual(delays, [20, 2 ** 31 - 1, 2 ** 31 - 1, 2 ** 31 - 1, 2 ** 31 - 1]);
});
