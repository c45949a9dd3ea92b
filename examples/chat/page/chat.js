// SPDX-License-Identifier: MIT
// The chat itself: rooms, people, direct messages and images over one connection. It shows nothing; app.js does.
import { ReconnectingWebSocket } from './switchboard/index.js';
import { Conversation } from './conversation.js';
import { IMAGE, fingerprint, packImage, unpackImage } from './images.js';

/** Where everybody is: who is online at all, and which rooms there are. */
const LOBBY = 'lobby';
const FIRST_ROOMS = ['general', 'ideas', 'support'];
const IMAGE_PATIENCE = 4000;

const newKey = () => Math.random().toString(36).slice(2, 12);

export class Chat {
  conversations = new Map();
  online = new Set();
  rooms = new Set(FIRST_ROOMS);
  #hooks;
  #announced = new Map(); // "room fingerprint" → what the sender of an image said of it
  #roomsToTell = null;

  /**
   * Hooks: stateChanged(change), recovered(), replayed(), lost(count), arrived(conversation, message),
   * noticed(conversation, text), opened(conversation), changed() (lists of people and rooms), connectedTo(node).
   */
  constructor(me, hooks) {
    this.me = me;
    this.#hooks = hooks;
    this.client = new ReconnectingWebSocket('/ws', { token: me, backoff: { base: 1000, maximum: 15_000 } });
    this.client.on('state', (change) => this.#stateChanged(change));
    this.client.on('message', (message) => { if (message.type === 'direct') this.#receiveDirect(message); });
    this.client.on('binary', (message) => this.#receiveImage(message));
    this.client.on('recovered', () => this.#hooks.recovered());
    this.client.on('gap', (gap) => this.#lost(gap));
    this.client.on('error', (error) => this.#refused(error));
    this.client.on('unsubscribed', ({ channel }) => this.conversations.delete(`room ${channel}`));
    this.client.subscribe(LOBBY, (data) => this.#learnRooms(data), { presence: (event) => this.#someoneInLobby(event) })
      .then(() => this.#refreshPeople(LOBBY, this.online));
  }

  /** The room's conversation; subscribes to it if need be. */
  room(name) {
    const key = `room ${name}`;
    const known = this.conversations.get(key);
    if (known !== undefined) return known;
    const room = this.#add(key, 'room', name);
    this.#addRooms([name]);
    const hear = (data, message) => this.#receive(room, data, message);
    this.client.subscribe(name, hear, { presence: (event) => this.#someoneInRoom(room, event) })
      .then(() => this.#refreshPeople(name, room.people))
      .catch((error) => room.notice(`This room cannot be entered: ${error.message}`));
    return room;
  }

  /** A room that the others are to know of, too. */
  createRoom(name) {
    const isNew = !this.rooms.has(name);
    const room = this.room(name);
    if (isNew) this.client.publish(LOBBY, { rooms: [name] });
    return room;
  }

  leaveRoom(room) {
    this.client.unsubscribe(room.name);
    this.conversations.delete(`room ${room.name}`);
    this.#hooks.changed();
  }

  direct(name) {
    const key = `direct ${name}`;
    return this.conversations.get(key) ?? this.#add(key, 'direct', name);
  }

  say(conversation, text) {
    this.#send(conversation, { from: this.me, text, at: Date.now(), key: newKey() });
  }

  sendImage(room, image) {
    this.#send(room, { from: this.me, image, at: Date.now(), key: newKey() });
  }

  #add(key, kind, name) {
    const conversation = new Conversation({
      kind,
      name,
      onPerson: (person) => { if (person !== this.me) this.#hooks.opened(this.direct(person)); },
      onRepeat: (message) => this.#send(conversation, message),
    });
    this.conversations.set(key, conversation);
    this.#hooks.changed();
    return conversation;
  }

  #send(conversation, message) {
    conversation.wait(message);
    this.#hooks.arrived(conversation, message);
    const { from, text, at, key } = message;
    if (message.image) this.#sendImage(conversation, message);
    else if (conversation.kind === 'room') {
      this.client.publish(conversation.name, { from, text, at, key })
        .then(() => conversation.accepted(key), (error) => this.#notSent(conversation, key, error));
    } else {
      this.client.send({ action: 'send', to: conversation.name, data: { text, at, key }, id: newKey() })
        .then(() => conversation.show(message), (error) => this.#notSent(conversation, key, error));
    }
  }

  #sendImage(room, { from, image, at, key }) {
    this.client.publish(room.name, { from, at, key, image: fingerprint(image) })
      .catch((error) => this.#notSent(room, key, error));
    this.client.sendBinary(IMAGE, packImage(room.name, image))
      .then(() => room.written(key), (error) => this.#notSent(room, key, error));
  }

  #notSent(conversation, key, error) {
    const sentences = {
      'unknown-outcome': 'Nobody knows whether this arrived.',
      'queue-full': 'Too much is waiting already.',
      'rate.limited': 'That was too fast.',
      closed: 'Not sent.',
    };
    conversation.failed(key, sentences[error.code] ?? `Not sent: ${error.message}`);
  }

  #receive(room, data, { replayed }) {
    if (typeof data !== 'object' || data === null || typeof data.from !== 'string') return;
    const message = { from: data.from.slice(0, 24), at: Number(data.at) || Date.now(), key: String(data.key ?? '') };
    if (typeof data.image === 'string') this.#announced.set(`${room.name} ${data.image}`, message);
    else if (typeof data.text === 'string') this.#show(room, { ...message, text: data.text }, replayed);
  }

  #receiveDirect({ from, data, replayed }) {
    if (typeof data?.text !== 'string') return;
    const message = { from, text: data.text, at: Number(data.at) || Date.now(), key: String(data.key ?? '') };
    this.#show(this.direct(from), message, replayed);
  }

  #receiveImage({ type, payload, replayed }) {
    const unpacked = type === IMAGE ? unpackImage(payload) : null;
    const room = unpacked && this.conversations.get(`room ${unpacked.room}`);
    if (!room) return;
    const known = `${room.name} ${fingerprint(unpacked.image)}`;
    const announced = this.#announced.get(known) ?? { from: 'someone', at: Date.now(), key: '' };
    this.#announced.delete(known);
    this.#show(room, { ...announced, image: unpacked.image }, replayed);
  }

  #show(conversation, message, replayed) {
    if (!conversation.show(message, { replayed })) return;
    if (replayed) this.#hooks.replayed();
    this.#hooks.arrived(conversation, message);
  }

  #stateChanged(change) {
    if (change.state === 'connected' && !change.isFirst) {
      for (const conversation of this.conversations.values()) {
        conversation.expectReplay();
        if (conversation.kind === 'room') this.#refreshPeople(conversation.name, conversation.people);
      }
      this.#refreshPeople(LOBBY, this.online);
      const written = [...this.conversations.values()].map((conversation) => [conversation, conversation.writtenImages]);
      setTimeout(() => this.#giveUpImages(written), IMAGE_PATIENCE);
    }
    this.#hooks.stateChanged(change);
    if (change.state === 'connected') this.#askNode();
    else this.#hooks.connectedTo('');
  }

  /** Which of several servers this is: behind a load balancer the page may have come from another. */
  #askNode() {
    this.client.send({ action: 'node', id: newKey() })
      .then(({ node }) => { if (this.client.state === 'connected') this.#hooks.connectedTo(String(node ?? '')); }, () => {});
  }

  /** A binary message has no answer: one that has not come back some time after a cut may have gone under in it. */
  #giveUpImages(written) {
    if (this.client.state !== 'connected') return;
    for (const [conversation, keys] of written) {
      for (const key of keys) conversation.failed(key, 'Nobody knows whether this arrived.');
    }
  }

  #lost(gap) {
    for (const conversation of this.conversations.values()) {
      conversation.settleAccepted();
      conversation.divide('gap', describeLoss(gap));
    }
    this.#hooks.lost(gap.missed);
  }

  #refused({ code, message }) {
    if (!code.startsWith('binary.') && !code.startsWith('image.')) return;
    for (const conversation of this.conversations.values()) {
      const [key] = conversation.writtenImages;
      if (key !== undefined) {
        conversation.failed(key, `Not sent: ${message}`);
        return;
      }
    }
  }

  async #refreshPeople(channel, people) {
    try {
      const { users } = await this.client.presence(channel);
      people.clear();
      for (const { user } of users) people.add(user);
      this.#hooks.changed();
    } catch {
      // Not subscribed any more, or the broker is away: the list stays as it is.
    }
  }

  #someoneInRoom(room, { type, user }) {
    const isNews = room.people.has(user) !== (type === 'join');
    if (type === 'join') room.people.add(user);
    else room.people.delete(user);
    if (isNews) this.#hooks.noticed(room, `${user} ${type === 'join' ? 'joined' : 'left'}`);
  }

  #someoneInLobby({ type, user }) {
    if (type === 'join') this.online.add(user);
    else this.online.delete(user);
    if (type === 'join') this.#tellRoomsSoon();
    this.#hooks.changed();
  }

  /** Somebody came who cannot know which rooms were created; one of us tells, and the others then need not. */
  #tellRoomsSoon() {
    const rooms = [...this.rooms].filter((name) => !FIRST_ROOMS.includes(name));
    if (rooms.length === 0 || this.#roomsToTell !== null) return;
    this.#roomsToTell = setTimeout(() => {
      this.#roomsToTell = null;
      this.client.publish(LOBBY, { rooms });
    }, 200 + Math.random() * 800);
  }

  #learnRooms(data) {
    if (!Array.isArray(data?.rooms)) return;
    clearTimeout(this.#roomsToTell);
    this.#roomsToTell = null;
    this.#addRooms(data.rooms.filter((name) => typeof name === 'string' && isRoomName(name)));
  }

  #addRooms(names) {
    for (const name of names) this.rooms.add(name);
    this.#hooks.changed();
  }
}

function describeLoss({ reason, missed }) {
  if (reason === 'broker') return 'Some messages between servers may be missing';
  if (missed === null) return 'You were away for too long: some messages were lost';
  const what = `${missed.toLocaleString('en')} ${missed === 1 ? 'message was' : 'messages were'}`;
  return reason === 'away' ? `${what} lost while you were away` : `${what} dropped on the way to you`;
}

/** What this page takes for a name of a room or a person; the server would take more. */
export const isName = (name) => /^[\p{L}\p{N}][\p{L}\p{N}._-]{0,23}$/u.test(name);
export const isRoomName = (name) => isName(name) && name !== LOBBY;
