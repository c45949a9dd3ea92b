// SPDX-License-Identifier: MIT
import { SwitchboardError } from './errors.js';

const TYPE_BYTES = 4;
const HEADER_BYTES = 12; // u32 type, u64 sequence number

function bytesOf(payload) {
  if (payload instanceof Uint8Array) return payload;
  if (ArrayBuffer.isView(payload)) return new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength);
  if (payload instanceof ArrayBuffer) return new Uint8Array(payload);
  throw new TypeError('a binary payload must be an ArrayBuffer or a view of one');
}

/** A client's binary frame: the type as four bytes, big-endian, then the payload (which is copied). */
export function encodeBinary(type, payload = new Uint8Array(0)) {
  if (!Number.isInteger(type) || type < 0 || type > 0xffffffff) {
    throw new RangeError('a binary type is an integer from 0 to 4294967295');
  }
  const bytes = bytesOf(payload);
  const frame = new Uint8Array(TYPE_BYTES + bytes.byteLength);
  new DataView(frame.buffer).setUint32(0, type);
  frame.set(bytes, TYPE_BYTES);
  return frame;
}

/** Takes apart a frame for a stateful client. The payload is a view into the frame, not a copy. */
export function decodeBinary(frame) {
  const bytes = bytesOf(frame);
  if (bytes.byteLength < HEADER_BYTES) {
    throw new SwitchboardError('protocol', 'a binary frame is shorter than its header of 12 bytes');
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  return {
    type: view.getUint32(0),
    seq: Number(view.getBigUint64(TYPE_BYTES)), // the protocol keeps it below 2^53
    payload: bytes.subarray(HEADER_BYTES),
  };
}
