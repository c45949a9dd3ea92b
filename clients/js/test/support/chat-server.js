// SPDX-License-Identifier: MIT
// The chat server, as a process of its own.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const built = fileURLToPath(new URL('../../../../build/release/examples/chat', import.meta.url));

/** Fails with a sentence where the program is missing. */
export function chatBinary() {
  const path = process.env.CHAT_BINARY ?? built;
  if (!existsSync(path)) {
    throw new Error(`There is no chat server at ${path}. Build it (cmake --preset release && cmake --build --preset release)`
      + ' or name another one in CHAT_BINARY.');
  }
  return path;
}

/** Starts the server; `stop` and `kill` end with the process. Without a port it picks one. */
export async function startChat({ port = 0, options = [] } = {}) {
  const child = spawn(chatBinary(), ['--address', '127.0.0.1', '--port', String(port), ...options.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  const [line] = await Promise.race([
    once(createInterface({ input: child.stdout }), 'line'),
    ended.then(([code, signal]) => { throw new Error(`The chat server ended at once (${code ?? signal}).`); }),
  ]);
  const [, url] = /^listening on (http:\/\/\S+)$/.exec(line) ?? [];
  if (url === undefined) throw new Error(`The first line of the chat server was "${line}".`);
  const end = async (signal) => {
    child.kill(signal);
    const [code] = await ended;
    return code;
  };
  return { url, port: Number(new URL(url).port), stop: () => end('SIGTERM'), kill: () => end('SIGKILL') };
}
