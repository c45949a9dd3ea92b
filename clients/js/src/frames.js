// SPDX-License-Identifier: MIT

const MOST_LEVELS = 64;
const MOST_ID_BYTES = 128;

const [QUOTE, BACKSLASH, OPENING_BRACE, OPENING_BRACKET, CLOSING_BRACE, CLOSING_BRACKET] = [...'"\\{[}]'].map((c) => c.charCodeAt(0));

/** JSON.stringify writes half a surrogate pair as an escape, and a backslash as two. */
function hasLoneSurrogate(json) {
  if (!json.includes('\\u')) return false;
  for (const [escape] of json.matchAll(/\\(?:u[0-9a-f]{4}|.)/gi)) {
    if (/^\\ud[89a-f]/i.test(escape)) return true;
  }
  return false;
}

function isEscaped(json, place) {
  let backslashes = 0;
  while (json.charCodeAt(place - 1 - backslashes) === BACKSLASH) backslashes += 1;
  return backslashes % 2 === 1;
}

function levelsOf(json) {
  let level = 0;
  let most = 0;
  for (let place = 0; place < json.length; place += 1) {
    switch (json.charCodeAt(place)) {
      case QUOTE:
        do place = json.indexOf('"', place + 1); while (isEscaped(json, place));
        if (place < 0) return most;
        break;
      case OPENING_BRACE: case OPENING_BRACKET:
        level += 1;
        if (level > most) most = level;
        break;
      case CLOSING_BRACE: case CLOSING_BRACKET:
        level -= 1;
        break;
      default:
    }
  }
  return most;
}

/** What the server cannot read it answers without an id, and nobody would know whose promise that rejects. */
export function checkFrame(json) {
  if (hasLoneSurrogate(json)) throw new TypeError('half of a surrogate pair (of an emoji, say) cannot be sent');
  if (levelsOf(json) > MOST_LEVELS) throw new TypeError(`a message has at most ${MOST_LEVELS} levels`);
  return json;
}

export function checkChannel(name) {
  if (typeof name !== 'string' || name === '') throw new TypeError('a channel is a string that is not empty');
  checkFrame(JSON.stringify(name));
}

/** The id as written. */
export function checkId(id) {
  const written = JSON.stringify(id);
  const isIdType = typeof id === 'string' || Number.isFinite(id);
  if (!isIdType || new TextEncoder().encode(written).length > MOST_ID_BYTES) {
    throw new TypeError(`an id is a string or a number, of at most ${MOST_ID_BYTES} bytes as written`);
  }
  return written;
}
