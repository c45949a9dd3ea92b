// SPDX-License-Identifier: MIT
// Chromium for the tests, and where their screenshots go. CHROMIUM and SCREENSHOTS (a folder) may be set.
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

export const screenshots = process.env.SCREENSHOTS ?? fileURLToPath(new URL('../../../build/screenshots', import.meta.url));

export function launchBrowser() {
  mkdirSync(screenshots, { recursive: true });
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync'],
  });
}
