// SPDX-License-Identifier: MIT
export { ReconnectingWebSocket } from './reconnecting-websocket.js';
export { SwitchboardError } from './errors.js';
export { encodeBinary, decodeBinary } from './binary.js';
export { decideAfterClose } from './close-policy.js';
