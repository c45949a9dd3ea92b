// SPDX-License-Identifier: MIT
// Small helpers for building elements. Text always goes in as text, never as HTML.

export const byId = (id) => document.getElementById(id);

/** `fields` are properties; `className` and `textContent` among them. Children may be null. */
export function element(tag, fields = {}, ...children) {
  const made = Object.assign(document.createElement(tag), fields);
  made.append(...children.filter((child) => child !== null));
  return made;
}

export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  use.setAttribute('href', `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** A name always has the same one of eight colours. */
export function paintAvatar(target, name) {
  let sum = 0;
  for (const character of name) sum = (sum * 31 + character.codePointAt(0)) % 8191;
  target.dataset.hue = String(sum % 8);
  target.textContent = [...name][0]?.toUpperCase() ?? '?';
}

export function avatar(name) {
  const made = element('span', { className: 'avatar', ariaHidden: 'true' });
  paintAvatar(made, name);
  return made;
}

export const plural = (count, word) => `${count.toLocaleString('en')} ${word}${count === 1 ? '' : 's'}`;
