// Messages as elements of the page.

import { chooseGrid, describeGrid } from './tiles.js';
import { showText } from './text.js';

const svg = 'http://www.w3.org/2000/svg';

/** An element with properties and children. */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** A picture as the model gets it: in its canvas, with the grid of tiles over it. */
export function pictureFigure(picture, rule, extra = []) {
  const { name, url, width, height } = picture;
  const size = `${width} × ${height}`;
  if (!url) {
    return make('figure', {}, make('div', { className: 'lost', textContent: 'Picture not kept' }), make('figcaption', { textContent: `${name}, ${size}` }));
  }
  const grid = chooseGrid(width, height, rule);
  const seen = describeGrid(grid);
  const canvas = { width: grid.columns * rule.tile, height: grid.rows * rule.tile };
  const image = document.createElementNS(svg, 'svg');
  set(image, { viewBox: `0 0 ${canvas.width} ${canvas.height}`, role: 'img', 'aria-label': `${name}: ${seen}` });
  image.append(
    set(document.createElementNS(svg, 'rect'), { width: canvas.width, height: canvas.height }),
    set(document.createElementNS(svg, 'image'), { href: url, width: grid.width, height: grid.height, preserveAspectRatio: 'none' }));
  for (const at of lines(grid, rule.tile)) {
    image.append(set(document.createElementNS(svg, 'path'), { d: at, 'vector-effect': 'non-scaling-stroke' }));
  }
  return make('figure', {}, image, make('figcaption', {}, make('span', { className: 'grid', textContent: seen }), ` ${name}, ${size}`), ...extra);
}

function lines({ rows, columns }, tile) {
  const across = Array.from({ length: rows - 1 }, (_, i) => `M0 ${(i + 1) * tile}H${columns * tile}`);
  const down = Array.from({ length: columns - 1 }, (_, i) => `M${(i + 1) * tile} 0V${rows * tile}`);
  return [...across, ...down];
}

function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    element.setAttribute(name, value);
  }
  return element;
}

/** A message of the user. */
export function userItem(message, rule) {
  const text = make('div', { className: 'text' });
  showText(text, message.text);
  const pictures = make('div', { className: 'figures' }, ...(message.pictures ?? []).map(picture => pictureFigure(picture, rule)));
  return make('li', { className: 'user' }, make('h2', { textContent: 'You' }), ...(pictures.children.length > 0 ? [pictures] : []), text);
}

/** A message of the model, which may still grow: call update when it has. */
export class AnswerItem {
  #message;
  #actions;
  #text = make('div', { className: 'text' });
  #calls = make('div', { className: 'calls' });
  #foot = make('p', { className: 'foot' });
  #buttons = make('div', { className: 'row' });

  /** Actions: { copy, regenerate, sendResults }, each called with what it needs. */
  constructor(message, actions) {
    this.#message = message;
    this.#actions = actions;
    this.element = make('li', { className: 'assistant' }, make('h2', { textContent: 'Llama 4' }), this.#text, this.#calls, make('div', { className: 'under' }, this.#foot, this.#buttons));
  }

  /** Shows the message as it is now. */
  update({ isGrowing = false, isLast = false } = {}) {
    const message = this.#message;
    this.element.classList.toggle('growing', isGrowing);
    showText(this.#text, message.text);
    this.#foot.replaceChildren(...footOf(message));
    this.#foot.hidden = !this.#foot.hasChildNodes();
    if (isGrowing) {
      return;
    }
    this.#calls.replaceChildren(...this.#callItems(isLast));
    this.#buttons.replaceChildren(
      ...(message.text ? [make('button', { type: 'button', className: 'quiet small', textContent: 'Copy', onclick: () => this.#actions.copy(message.text) })] : []),
      ...(isLast ? [make('button', { type: 'button', className: 'quiet small', textContent: message.error ? 'Try again' : 'Regenerate', onclick: () => this.#actions.regenerate() })] : []));
  }

  #callItems(isLast) {
    const calls = this.#message.calls ?? [];
    const items = calls.map((call, i) => {
      const given = call.result !== undefined
        ? [make('h4', { textContent: 'Result' }), make('pre', { textContent: call.result })]
        : isLast ? [make('label', {}, `Result of ${call.name}`, make('textarea', { className: 'code', rows: 2, required: true, placeholder: '{"temperature": 22}', spellcheck: false }))] : [];
      return make('div', { className: 'call' }, make('h3', {}, calls.length > 1 ? `Call ${i + 1}: ` : 'Call: ', make('code', { textContent: call.name })), make('pre', { textContent: pretty(call.arguments) }), ...given);
    });
    if (!isLast || calls.every(call => call.result !== undefined)) {
      return items;
    }
    const form = make('form', {}, ...items, make('div', { className: 'row' }, make('button', { className: 'primary small', textContent: calls.length > 1 ? 'Send results' : 'Send result' })));
    form.addEventListener('submit', event => {
      event.preventDefault();
      this.#actions.sendResults([...form.querySelectorAll('textarea')].map(area => area.value));
    });
    return [form];
  }
}

function pretty(json) {
  try {
    return JSON.stringify(JSON.parse(json), null, 2);
  } catch {
    return json;
  }
}

const ends = { length: 'ended at the most tokens', content_filter: 'withheld' };

/** What an answer took, in pieces. */
function footOf({ usage, rate, first, finish, stopped, error }) {
  const pieces = [];
  if (error) {
    pieces.push(make('span', { className: 'error-text', textContent: error }));
  }
  if (stopped) {
    pieces.push('stopped');
  }
  if (ends[finish]) {
    pieces.push(ends[finish]);
  }
  if (rate) {
    pieces.push(`${rate.toFixed(rate < 10 ? 1 : 0)} tokens/s`);
  }
  if (usage) {
    const { cached_tokens: cached, image_tokens: seen } = usage.prompt_tokens_details ?? {};
    const parts = [...(cached ? [`${cached} cached`] : []), ...(seen ? [`${seen} of pictures`] : [])];
    pieces.push(`${usage.completion_tokens} tokens after ${usage.prompt_tokens}${parts.length > 0 ? ` (${parts.join(', ')})` : ''}`);
  }
  if (first) {
    pieces.push(`first after ${first < 1000 ? `${first.toFixed(0)} ms` : `${(first / 1000).toFixed(1)} s`}`);
  }
  return pieces.flatMap((piece, i) => i === 0 ? [piece] : [' · ', piece]);
}
