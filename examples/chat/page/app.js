// SPDX-License-Identifier: MIT
// The page: who enters, what is shown, what is typed.
import { Chat, isName, isRoomName } from './chat.js';
import { avatar, byId, element, paintAvatar } from './dom.js';
import { prepareImage } from './images.js';
import { Status } from './status.js';

const NEAR_END = 80;
const status = new Status();
let chat = null;
let current = null;

// Entering

function enter(name) {
  sessionStorage.setItem('name', name);
  byId('welcome').hidden = true;
  byId('chat').hidden = false;
  byId('my-name').textContent = name;
  paintAvatar(byId('my-avatar'), name);
  chat = new Chat(name, {
    stateChanged: (change) => {
      status.change(change);
      showCut(change.state);
      showDetails();
    },
    recovered: () => status.recovered(0),
    replayed: () => status.countRecovered(),
    lost: (count) => {
      status.lost(count);
      scrollAfterNews();
    },
    arrived,
    noticed: (conversation, text) => {
      keepingPlace(conversation, () => conversation.notice(text));
      showLists();
    },
    opened: open,
    changed: showLists,
    connectedTo: (node) => {
      byId('node').hidden = node === '';
      byId('node').textContent = node;
    },
  });
  window.chat = chat; // for the curious, and for tests
  setInterval(showDetails, 1000);
  const wanted = new URLSearchParams(location.search).get('room');
  open(chat.room(wanted !== null && isRoomName(wanted) ? wanted : 'general'));
}

byId('enter').addEventListener('submit', (event) => {
  event.preventDefault();
  const name = byId('name').value.trim().replace(/^@/, '');
  const isGood = isName(name);
  byId('name-error').textContent = isGood ? '' : 'A name has letters, digits, dots, dashes and no spaces.';
  byId('name').setAttribute('aria-invalid', String(!isGood));
  if (isGood) enter(name);
});

byId('leave').addEventListener('click', () => {
  chat.client.close();
  sessionStorage.removeItem('name');
  location.assign(location.pathname);
});

// What is shown

function open(conversation) {
  current = conversation;
  conversation.unread = 0;
  byId('messages').replaceChildren(conversation.element);
  byId('text').placeholder = conversation.kind === 'room' ? `Message #${conversation.name}` : `Message @${conversation.name}`;
  byId('attach').hidden = conversation.kind !== 'room';
  showDrawer(null);
  showLists();
  scrollToEnd();
  if (matchMedia('(hover: hover)').matches) byId('text').focus();
}

function arrived(conversation, message) {
  const isMine = message.from === chat.me;
  if (!isMine && (conversation !== current || document.hidden)) conversation.unread += 1;
  if (conversation === current) scrollAfterNews(isMine);
  showLists();
}

let isListUpdateDue = false;

function showLists() {
  if (isListUpdateDue) return; // a replay may bring hundreds of changes at once
  isListUpdateDue = true;
  queueMicrotask(() => {
    isListUpdateDue = false;
    if (current === null) return;
    const all = [...chat.conversations.values()];
    const directs = all.filter(({ kind }) => kind === 'direct');
    byId('rooms').replaceChildren(...[...chat.rooms].map(roomLink));
    byId('directs').replaceChildren(...directs.map((direct) => link({
      lead: avatar(direct.name), text: direct.name, unread: direct.unread, isCurrent: direct === current,
      isOnline: chat.online.has(direct.name), onClick: () => open(direct),
    })));
    byId('no-directs').hidden = directs.length > 0;
    showPeople();
    showTitle(all.reduce((sum, { unread }) => sum + unread, 0));
  });
}

function roomLink(name) {
  const room = chat.conversations.get(`room ${name}`);
  return link({
    lead: element('span', { className: 'hash', textContent: '#', ariaHidden: 'true' }),
    text: name, unread: room?.unread ?? 0, isCurrent: room !== undefined && room === current, isMuted: room === undefined,
    onClick: () => open(chat.room(name)),
  });
}

function link({ lead, text, unread = 0, isCurrent = false, isMuted = false, isOnline = null, onClick }) {
  const badge = unread > 0 ? element('span', { className: 'badge', textContent: unread > 99 ? '99+' : String(unread) }) : null;
  if (badge !== null) badge.setAttribute('aria-label', `${unread} unread`);
  if (isOnline === true) lead.classList.add('online');
  const button = element('button', { type: 'button', className: 'link-row' },
    lead, element('span', { className: 'link-text', textContent: text }), badge);
  button.classList.toggle('muted', isMuted);
  if (isMuted) button.title = 'Enter this room';
  if (isCurrent) button.setAttribute('aria-current', 'page');
  button.addEventListener('click', onClick);
  return element('li', {}, button);
}

function showPeople() {
  const isRoom = current.kind === 'room';
  const here = isRoom ? [...current.people] : [chat.me, current.name];
  const elsewhere = [...chat.online].filter((name) => !here.includes(name));
  byId('people').querySelector('h2').textContent = isRoom ? `In this room (${here.length})` : 'In this conversation';
  byId('here').replaceChildren(...sorted(here).map(personLink));
  byId('elsewhere').replaceChildren(...sorted(elsewhere).map(personLink));
  byId('elsewhere-part').hidden = elsewhere.length === 0;
}

const sorted = (names) => names.sort((a, b) => (b === chat.me) - (a === chat.me) || a.localeCompare(b));

function personLink(name) {
  if (name !== chat.me) {
    return link({
      lead: avatar(name), text: name, isOnline: current.people.has(name) || chat.online.has(name),
      onClick: () => open(chat.direct(name)),
    });
  }
  const lead = avatar(name);
  lead.classList.add('online');
  return element('li', { className: 'link-row' }, lead, element('span', { className: 'link-text', textContent: `${name} (you)` }));
}

function showTitle(unread) {
  byId('title').textContent = current.label;
  byId('subtitle').replaceChildren();
  if (current.kind === 'room') {
    const { size } = current.people;
    byId('subtitle').append(size === 0 ? '' : size === 1 ? 'only you are here' : `${size} people`);
    if (current.name !== 'general') {
      const leave = element('button', { type: 'button', className: 'link', textContent: 'Leave room' });
      leave.addEventListener('click', () => {
        chat.leaveRoom(current);
        open(chat.room('general'));
      });
      byId('subtitle').append(size === 0 ? '' : ' · ', leave);
    }
  } else {
    byId('subtitle').append(chat.online.has(current.name) ? 'online' : 'not here now');
  }
  byId('unread-dot').hidden = unread === 0;
  document.title = unread > 0 ? `(${unread}) Switchboard chat` : `${current.label} · Switchboard chat`;
}

function showDetails() {
  const { session, lastSeq } = chat.client;
  byId('details').textContent = session === null ? 'no session yet' : `session ${session.slice(0, 6)} · seq ${lastSeq}`;
}

// Scrolling: new messages pull the view along only where it is at the end already.

let isAtEnd = true;

function scrollToEnd() {
  const box = byId('messages');
  box.scrollTop = box.scrollHeight;
  isAtEnd = true;
  byId('to-end').hidden = true;
}

function scrollAfterNews(isMine = false) {
  if (isAtEnd || isMine) scrollToEnd();
  else byId('to-end').hidden = false;
}

function keepingPlace(conversation, change) {
  change();
  if (conversation === current && isAtEnd) scrollToEnd();
}

byId('messages').addEventListener('scroll', () => {
  const box = byId('messages');
  isAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_END;
  if (isAtEnd) byId('to-end').hidden = true;
});
byId('messages').addEventListener('load', () => { if (isAtEnd) scrollToEnd(); }, true); // images, once they have a size
byId('to-end').addEventListener('click', scrollToEnd);
new ResizeObserver(() => { if (isAtEnd) scrollToEnd(); }).observe(byId('messages'));
document.addEventListener('visibilitychange', () => {
  if (document.hidden || current === null) return;
  current.unread = 0;
  showLists();
});

// Writing

function submit() {
  const text = byId('text').value.trim();
  if (text === '') return;
  const [, person, rest] = /^@([\p{L}\p{N}._-]+)\s+([^]+)$/u.exec(text) ?? [];
  if (person !== undefined && person !== chat.me) {
    open(chat.direct(person));
    chat.say(current, rest);
  } else {
    chat.say(current, text);
  }
  byId('text').value = '';
  fitComposer();
}

function fitComposer() {
  const box = byId('text');
  box.style.height = 'auto';
  box.style.height = `${Math.min(box.scrollHeight, 160)}px`;
}

byId('composer').addEventListener('submit', (event) => {
  event.preventDefault();
  submit();
});
byId('text').addEventListener('input', fitComposer);
byId('text').addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  submit();
});

byId('create').addEventListener('submit', (event) => {
  event.preventDefault();
  const name = byId('room-name').value.trim().replace(/^#/, '').replace(/\s+/g, '-');
  const isGood = isRoomName(name);
  byId('room-name').setAttribute('aria-invalid', String(!isGood && name !== ''));
  if (!isGood) return;
  byId('room-name').value = '';
  open(chat.createRoom(name));
});

async function sendImages(files) {
  const room = current;
  if (room.kind !== 'room') return;
  for (const file of files) {
    if (!file.type.startsWith('image/')) continue;
    try {
      chat.sendImage(room, await prepareImage(file));
    } catch (error) {
      keepingPlace(room, () => room.notice(error.message));
    }
  }
}

byId('attach').addEventListener('click', () => byId('file').click());
byId('file').addEventListener('change', () => {
  sendImages([...byId('file').files]);
  byId('file').value = '';
});
document.addEventListener('paste', (event) => { if (current !== null) sendImages([...event.clipboardData.files]); });
document.addEventListener('dragover', (event) => event.preventDefault());
document.addEventListener('drop', (event) => {
  event.preventDefault();
  if (current !== null) sendImages([...event.dataTransfer.files]);
});

// The connection

function showCut(state) {
  const isCut = state === 'suspended';
  byId('cut').setAttribute('aria-pressed', String(isCut));
  byId('cut-text').textContent = isCut ? 'Reconnect' : 'Cut connection';
  byId('cut').disabled = state === 'closed';
  byId('chat').dataset.connection = state;
}

/** Held until it is pressed again: the socket is closed, and the page stays away. */
byId('cut').addEventListener('click', () => {
  if (chat.client.state === 'suspended') chat.client.connect();
  else chat.client.suspend();
});
byId('banner-button').addEventListener('click', () => chat.client.connect());

// Drawers, on small screens

let openDrawer = null;

function showDrawer(id) {
  if (id === openDrawer) return;
  const before = openDrawer;
  openDrawer = id;
  for (const drawer of ['sidebar', 'people']) byId(drawer).classList.toggle('is-open', drawer === id);
  byId('open-sidebar').setAttribute('aria-expanded', String(id === 'sidebar'));
  byId('open-people').setAttribute('aria-expanded', String(id === 'people'));
  byId('scrim').hidden = id === null;
  byId(id === null ? `open-${before}` : `close-${id}`).focus();
}

byId('open-sidebar').addEventListener('click', () => showDrawer('sidebar'));
byId('open-people').addEventListener('click', () => showDrawer('people'));
for (const id of ['close-sidebar', 'close-people', 'scrim']) byId(id).addEventListener('click', () => showDrawer(null));
document.addEventListener('keydown', (event) => { if (event.key === 'Escape') showDrawer(null); });

// ?name=ann enters at once; a tab that is loaded again stays who it was.
const known = new URLSearchParams(location.search).get('name') ?? sessionStorage.getItem('name') ?? '';
if (isName(known)) {
  enter(known);
} else {
  byId('welcome').hidden = false;
  byId('name').focus();
}
