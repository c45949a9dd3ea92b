// SPDX-License-Identifier: MIT
// Images: found out, made small enough, and packed as the chat's binary message (type 1).

export const IMAGE = 1;

/** The server takes 1 MiB per image, the room's name included. */
const MOST_BYTES = 1000 * 1024;
const LARGEST_SIDE = 1600;

const signatures = [
  ['image/png', [0x89, 0x50, 0x4e, 0x47]],
  ['image/jpeg', [0xff, 0xd8, 0xff]],
  ['image/gif', [0x47, 0x49, 0x46, 0x38]],
  ['image/webp', [0x52, 0x49, 0x46, 0x46]],
];

/** The type by the first bytes, never by what somebody says: an SVG, for one, could carry scripts. */
export function imageType(bytes) {
  const found = signatures.find(([, signature]) => signature.every((byte, index) => bytes[index] === byte));
  return found?.[0] ?? null;
}

/** u16 length of the room's name, the name, the image. */
export function packImage(room, image) {
  const name = new TextEncoder().encode(room);
  const payload = new Uint8Array(2 + name.length + image.length);
  new DataView(payload.buffer).setUint16(0, name.length);
  payload.set(name, 2);
  payload.set(image, 2 + name.length);
  return payload;
}

/** null when it is not what packImage makes. */
export function unpackImage(payload) {
  if (payload.length < 2) return null;
  const length = payload[0] * 256 + payload[1];
  if (payload.length < 2 + length) return null;
  const room = new TextDecoder().decode(payload.subarray(2, 2 + length));
  return { room, image: payload.subarray(2 + length) };
}

/**
 * A name for these bytes. The binary message does not say who sent it, so its sender publishes this beside it.
 * (Not crypto.subtle: that is missing where the page comes over plain HTTP from another machine.)
 */
export function fingerprint(bytes) {
  let one = 0x811c9dc5;
  let two = 0x9e3779b9;
  for (const byte of bytes) {
    one = Math.imul(one ^ byte, 0x01000193);
    two = Math.imul(two ^ byte, 0x85ebca6b);
    two ^= two >>> 13;
  }
  return `${bytes.length.toString(36)}-${(one >>> 0).toString(36)}-${(two >>> 0).toString(36)}`;
}

/** The bytes of a file, scaled down where they would be too many. Throws an Error with a sentence for the user. */
export async function prepareImage(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (imageType(bytes) === null) throw new Error('Only PNG, JPEG, GIF and WebP images can be sent.');
  if (bytes.length <= MOST_BYTES) return bytes;
  const bitmap = await createImageBitmap(file);
  const scale = Math.min(1, LARGEST_SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement('canvas');
  canvas.width = Math.round(bitmap.width * scale);
  canvas.height = Math.round(bitmap.height * scale);
  canvas.getContext('2d').drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  for (const quality of [0.85, 0.6, 0.4]) {
    const blob = await new Promise((resolve) => { canvas.toBlob(resolve, 'image/jpeg', quality); });
    if (blob !== null && blob.size <= MOST_BYTES) return new Uint8Array(await blob.arrayBuffer());
  }
  throw new Error('This image is too large to be sent.');
}
