// SPDX-License-Identifier: MIT
// One room or one person: its messages on the screen, and what waits to be among them.
import { avatar, element, icon, plural } from './dom.js';
import { imageType } from './images.js';

const MOST_ENTRIES = 500;
const TOGETHER = 5 * 60_000;
const time = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });

/** Without "AM" or "PM", for the narrow margin. */
const shortTime = (at) => time.formatToParts(at).filter(({ type }) => type !== 'dayPeriod').map(({ value }) => value).join('').trim();

export class Conversation {
  people = new Set();
  unread = 0;
  #shown = new Set(); // "sender key" of what is on the screen, so that a message sent twice is seen once
  #waiting = new Map(); // key → { entry, message, isWritten }
  #last = null; // of the newest message, to put what one person says in a row together
  #recovered = null;

  /** `onPerson(name)` when a name is clicked, `onRepeat(message)` when something is to be sent again. */
  constructor({ kind, name, onPerson, onRepeat }) {
    this.kind = kind;
    this.name = name;
    this.onPerson = onPerson;
    this.onRepeat = onRepeat;
    this.list = element('ol', { className: 'entries' });
    this.waitingList = element('ol', { className: 'entries waiting-entries' });
    this.element = element('div', { className: 'conversation' }, this.#introduction(), this.list, this.waitingList);
  }

  get label() {
    return this.kind === 'room' ? `# ${this.name}` : `@ ${this.name}`;
  }

  /** A message `{ from, text | image, at, key }` that has arrived; false when it is there already. */
  show(message, { replayed = false } = {}) {
    const identity = `${message.from} ${message.key}`;
    if (message.key && this.#shown.has(identity)) return false;
    if (message.key) this.#shown.add(identity);
    this.#removeWaiting(message.key);
    if (replayed) this.#countRecovered();
    this.#append(this.#entry(message));
    return true;
  }

  /** Shows what is on its way, below all that has arrived. */
  wait(message) {
    this.#removeWaiting(message.key);
    const entry = this.#entry(message, true);
    entry.classList.add('waiting');
    this.#waiting.set(message.key, { entry, message, isWritten: false });
    this.waitingList.append(entry);
  }

  /** The socket has it. */
  written(key) {
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined) waiting.isWritten = true;
  }

  /** The server has it; its place among the others is known only when it comes back. */
  accepted(key) {
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) return;
    waiting.isAccepted = true;
    waiting.entry.classList.remove('waiting');
  }

  failed(key, sentence) {
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) return;
    waiting.entry.classList.remove('waiting');
    waiting.entry.classList.add('failed');
    const again = element('button', { type: 'button', className: 'link', textContent: 'Send again' });
    again.addEventListener('click', () => this.onRepeat(waiting.message));
    waiting.entry.querySelector('.failure')?.remove();
    waiting.entry.querySelector('.entry-body')
      .append(element('p', { className: 'failure' }, icon('alert'), element('span', { textContent: sentence }), again));
  }

  /** Keys of images that the socket took and that have not come back. */
  get writtenImages() {
    return [...this.#waiting.values()].filter(({ message, isWritten }) => isWritten && message.image)
      .map(({ message }) => message.key);
  }

  /** After a loss: what the server has accepted may have been among the lost, and stays where it is. */
  settleAccepted() {
    for (const { message, isAccepted } of [...this.#waiting.values()]) if (isAccepted) this.show(message);
  }

  notice(text) {
    this.#append(element('li', { className: 'notice', textContent: text }));
    this.#last = null;
  }

  /** A line across the conversation; `kind` is 'gap' or 'recovered'. */
  divide(kind, text) {
    const words = element('span', { textContent: text });
    const line = element('li', { className: `divider ${kind}` },
      element('span', { className: 'divider-text' }, icon(kind === 'gap' ? 'alert' : 'check'), words));
    this.#append(line);
    this.#last = null;
    return words;
  }

  /** The next replayed message is the first after an absence. */
  expectReplay() {
    this.#recovered = { count: 0, words: null };
  }

  #countRecovered() {
    if (this.#recovered === null) return;
    this.#recovered.count += 1;
    this.#recovered.words ??= this.divide('recovered', '');
    this.#recovered.words.textContent = `Back again: ${plural(this.#recovered.count, 'message')} recovered`;
  }

  #append(entry) {
    this.list.append(entry);
    while (this.list.children.length > MOST_ENTRIES) this.list.firstElementChild.remove();
  }

  #removeWaiting(key) {
    this.#waiting.get(key)?.entry.remove();
    this.#waiting.delete(key);
  }

  #entry(message, isWaiting = false) {
    const isContinued = !isWaiting && this.#last !== null && this.#last.from === message.from
      && message.at - this.#last.at < TOGETHER;
    if (!isWaiting) this.#last = { from: message.from, at: message.at };
    const when = element('time', {
      dateTime: new Date(message.at).toISOString(),
      textContent: isContinued ? shortTime(message.at) : time.format(message.at),
    });
    const body = element('div', { className: 'entry-body' },
      isContinued ? null : element('p', { className: 'entry-head' }, this.#author(message.from), when),
      message.image ? this.#picture(message) : element('p', { className: 'text', textContent: message.text }));
    const entry = element('li', { className: isContinued ? 'entry continued' : 'entry' },
      isContinued ? element('span', { className: 'margin' }, when) : avatar(message.from), body);
    entry.dataset.key = message.key ?? '';
    return entry;
  }

  #author(name) {
    const button = element('button', { type: 'button', className: 'author', textContent: name, title: `Write to ${name}` });
    button.addEventListener('click', () => this.onPerson(name));
    return button;
  }

  #picture({ image, from }) {
    const type = imageType(image);
    if (type === null) return element('p', { className: 'text muted', textContent: 'An image of an unknown kind.' });
    const address = URL.createObjectURL(new Blob([image], { type }));
    const picture = element('img', { src: address, alt: `Image from ${from}`, className: 'picture' });
    picture.addEventListener('error', () => {
      picture.replaceWith(element('span', { className: 'text muted', textContent: 'This image cannot be shown.' }));
    });
    return element('a', { href: address, target: '_blank', rel: 'noopener', className: 'picture-frame' }, picture);
  }

  #introduction() {
    const text = this.kind === 'room'
      ? `This is the beginning of #${this.name}. What was said before you came stays with those who were here.`
      : `Between you and ${this.name}. Remember: in this demo anybody can take any name.`;
    return element('p', { className: 'introduction', textContent: text });
  }
}
