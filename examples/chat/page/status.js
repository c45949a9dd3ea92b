// SPDX-License-Identifier: MIT
// The pill that tells how the connection is, and the banner over the composer.
import { byId, plural } from './dom.js';

const RECOVERED_FOR = 10_000;
const LOST_FOR = 30_000;

export class Status {
  #timer = null;
  #recovered = 0;

  /** What the client's `state` event says. */
  change(change) {
    if (change.state === 'connecting') this.#show('connecting', change.previous === 'idle' ? 'Connecting…' : 'Reconnecting…');
    if (change.state === 'connected') this.#show('connected', 'Connected');
    if (change.state === 'suspended') this.#show('cut', 'Cut off');
    if (change.state === 'closed') this.#show('closed', 'Disconnected');
    if (change.state === 'waiting') this.#countDown(change);
    this.#banner(change);
  }

  /** Back, and nothing lost. `count` goes up while the messages arrive. */
  recovered(count) {
    this.#recovered = count;
    this.#show('recovered', count === 0 ? 'Back, nothing missed' : `Recovered ${plural(count, 'message')}`);
    this.#later(RECOVERED_FOR);
  }

  countRecovered() {
    if (byId('pill').dataset.state === 'recovered') this.recovered(this.#recovered + 1);
  }

  lost(count) {
    this.#show('lost', count === null ? 'Lost some messages' : `Lost ${plural(count, 'message')}`);
    this.#later(LOST_FOR);
  }

  #show(state, text) {
    clearInterval(this.#timer);
    clearTimeout(this.#timer);
    byId('pill').dataset.state = state;
    if (byId('pill-text').textContent !== text) byId('pill-text').textContent = text;
  }

  #later(delay) {
    this.#timer = setTimeout(() => this.#show('connected', 'Connected'), delay);
  }

  #countDown({ delay, isOffline }) {
    const end = Date.now() + delay;
    const show = () => {
      const seconds = Math.max(0, Math.ceil((end - Date.now()) / 1000));
      const text = `${isOffline ? 'Offline, retrying' : 'Reconnecting'} in ${seconds} s`;
      if (byId('pill-text').textContent !== text) byId('pill-text').textContent = text;
    };
    this.#show('waiting', '');
    show();
    this.#timer = setInterval(show, 200);
  }

  #banner({ state, code, reason }) {
    const texts = {
      suspended: 'You have cut the connection. The others go on; what you write waits here and is sent when you reconnect.',
      closed: code === 4001
        ? 'This session goes on in another window.'
        : `The connection has ended${code ? ` (${code}${reason ? `, ${reason}` : ''})` : ''}.`,
    };
    const text = texts[state] ?? '';
    byId('banner').hidden = text === '';
    byId('banner').dataset.state = state;
    byId('banner-text').textContent = text;
    byId('banner-button').hidden = state !== 'closed';
    byId('banner-button').textContent = code === 4001 ? 'Go on here' : 'Connect again';
  }
}
