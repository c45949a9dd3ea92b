// SPDX-License-Identifier: MIT

/** How long a client stays away after it broke a policy or a rate limit (1008), in milliseconds. */
export const POLICY_PAUSE = 30_000;

const reconnect = Object.freeze({ action: 'reconnect', minimumDelay: 0, forgetSession: false, report: false });
const stopAndReport = Object.freeze({ action: 'stop', minimumDelay: 0, forgetSession: false, report: true });
// The server has destroyed the session, and nobody is to come back by itself.
const stopForGood = Object.freeze({ action: 'stop', minimumDelay: 0, forgetSession: true, report: false });

const decisions = new Map([
  [1000, stopForGood],
  [1001, reconnect],
  [1002, stopAndReport],
  [1003, stopAndReport],
  [1007, stopAndReport],
  [1008, Object.freeze({ ...reconnect, minimumDelay: POLICY_PAUSE })],
  [1009, stopAndReport],
  [1011, reconnect],
  [1013, reconnect],
  // Coming back would take the session over again, and the two sockets would evict each other for ever.
  [4001, Object.freeze({ action: 'replaced', minimumDelay: 0, forgetSession: true, report: false })],
  [4002, reconnect],
  [4003, stopForGood],
  // The session stays named in the next request, so that the welcome can tell that messages were missed.
  [4401, Object.freeze({ action: 'token', minimumDelay: 0, forgetSession: false, report: false })],
]);

/**
 * What the client does after a close with `code`. Codes that the protocol does not name (1005, 1006, an application's
 * own) lead back, with the usual backoff.
 */
export function decideAfterClose(code) {
  return decisions.get(code) ?? reconnect;
}
