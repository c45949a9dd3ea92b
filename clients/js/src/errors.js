// SPDX-License-Identifier: MIT

/**
 * What a rejected promise of the client carries. `code` is the server's error code ('publish.denied') or one of the
 * client's own: 'unknown-outcome', 'queue-full', 'closed', 'duplicate-id', 'protocol'.
 */
export class SwitchboardError extends Error {
  constructor(code, message, details = {}) {
    super(message);
    this.name = 'SwitchboardError';
    this.code = code;
    Object.assign(this, details);
  }

  /** The error for a `{"type":"error"}` frame. */
  static fromFrame(frame) {
    return new SwitchboardError(String(frame.code), frame.message ?? String(frame.code), { answer: frame });
  }
}

/** Whether the server has not done something because of its rate limit. */
export const isRateLimited = (frame) => frame.type === 'error' && frame.code === 'rate.limited';

export const closed = () => new SwitchboardError('closed', 'The client was closed before this was sent.');

export const unknownOutcome = () => new SwitchboardError(
  'unknown-outcome',
  'The connection ended before the answer came, and its session is gone: the server may or may not have done this.',
);
