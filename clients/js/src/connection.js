// SPDX-License-Identifier: MIT

const OPEN = 1;
const ignore = () => {};

/** One socket, from its opening until it ends or is dropped; whichever comes first is the last that is heard of it. */
export class Connection {
  #socket;

  constructor({ WebSocket, url, onFrame, onEnd }) {
    this.#socket = new WebSocket(url);
    this.#socket.binaryType = 'arraybuffer';
    this.#socket.onmessage = (event) => onFrame(event.data);
    this.#socket.onerror = ignore; // a close event follows, and it says more
    this.#socket.onclose = (event) => onEnd({ code: event.code, reason: event.reason });
  }

  /** False when the socket is not open; the frame is then still the caller's. */
  write(frame) {
    if (this.#socket.readyState !== OPEN) return false;
    this.#socket.send(frame);
    return true;
  }

  /**
   * Forgets the socket, then closes it. In this order, because frames may arrive until the closing handshake ends, and
   * one counted after the next request has named its last_seq would be delivered twice.
   */
  drop(code, reason) {
    const socket = this.#socket;
    socket.onmessage = ignore;
    socket.onclose = ignore;
    socket.onerror = ignore; // stays a function: `ws` throws errors that nobody listens to
    try {
      if (code === undefined) socket.close();
      else socket.close(code, reason);
    } catch {
      socket.close();
    }
  }
}
