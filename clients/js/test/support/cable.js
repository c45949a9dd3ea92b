// SPDX-License-Identifier: MIT
// A cable between a client and a server that a test can pull: no Close frame, no goodbye.
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

export async function layCable(port) {
  const sockets = new Set();
  let isPlugged = true;
  const server = createServer((near) => {
    if (!isPlugged) {
      near.destroy();
      return;
    }
    const far = connect(port, '127.0.0.1');
    for (const [socket, other] of [[near, far], [far, near]]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const pull = () => {
    isPlugged = false;
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    pull,
    plugIn: () => { isPlugged = true; },
    close: () => {
      pull();
      server.close();
    },
  };
}
