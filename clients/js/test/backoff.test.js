// SPDX-License-Identifier: MIT
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Backoff } from '../src/backoff.js';

test('the bound doubles from the base to the maximum', () => {
  const backoff = new Backoff({ base: 100, maximum: 1000, random: () => 1 });
  assert.deepEqual([1, 2, 3, 4, 5, 6].map(() => backoff.next()), [100, 200, 400, 800, 1000, 1000]);
});

test('jitter is full, on the first delay too', () => {
  assert.equal(new Backoff({ base: 100, random: () => 0 }).next(), 0);
  assert.equal(new Backoff({ base: 100, random: () => 0.25 }).next(), 25);
});

test('a reset starts from the base again', () => {
  const backoff = new Backoff({ base: 100, random: () => 1 });
  backoff.next();
  backoff.next();
  backoff.reset();
  assert.equal(backoff.attempts, 0);
  assert.equal(backoff.next(), 100);
});

test('thousands of failures do not leave the finite numbers', () => {
  const backoff = new Backoff({ base: 1000, maximum: 30_000, random: () => 1 });
  for (let count = 0; count < 5000; count += 1) backoff.next();
  assert.equal(backoff.next(), 30_000);
});
