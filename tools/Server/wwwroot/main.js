// The page: what its controls do.

import { ApiError, fetchModel, streamChat } from './api.js';
import { Announcer } from './announcer.js';
import { Conversation } from './conversation.js';
import { bindTheme, Settings } from './settings.js';
import { readPicture } from './tiles.js';
import { AnswerItem, make, pictureFigure, userItem } from './view.js';

const $ = id => document.getElementById(id);
const conversation = new Conversation();
const settings = new Settings($('options'));
const announcer = new Announcer($('status'));
let model = null;
let rule = { tile: 336, max_tiles: 16, enlarge: false };
let pictures = [];
let answering = null;

// Messages

function showAll() {
  $('messages').replaceChildren();
  conversation.messages.forEach((message, i) => showMessage(message, i === conversation.messages.length - 1));
  $('welcome').hidden = conversation.messages.length > 0;
}

function showMessage(message, isLast) {
  if (message.role === 'user') {
    $('messages').append(userItem(message, rule));
    return null;
  }
  const item = new AnswerItem(message, { copy, regenerate, sendResults });
  item.update({ isLast });
  $('messages').append(item.element);
  return item;
}

function notice(text) {
  $('notice').textContent = text;
  $('notice').hidden = !text;
}

function keep() {
  if (!conversation.save()) {
    notice('There is no room in the browser for the pictures: they are here until the page is closed.');
  }
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    announcer.say('Copied.');
  } catch {
    notice('The browser does not let this page copy.');
  }
}

// Asking

async function answer() {
  const message = conversation.addAnswer();
  // What the server gets was said before the answer.
  const request = { ...(model && { model: model.id }), ...settings.toRequest(), messages: conversation.toRequest(settings.system) };
  showAll();
  const item = showLast(message);
  answering = new AbortController();
  showBusy(true);
  announcer.begin('Answering.');
  const clock = { begun: performance.now(), first: 0, last: 0, chunks: 0 };
  let frame = 0;
  try {
    for await (const chunk of streamChat(request, answering.signal, askKey)) {
      take(message, chunk, clock);
      announcer.grow(message.text);
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        grow(item);
      });
    }
  } catch (error) {
    if (error.name === 'AbortError') {
      message.stopped = true;
    } else if (error instanceof ApiError) {
      message.error = error.message;
    } else {
      message.error = 'The page had an error of its own; its console has it.';
      console.error(error);
    }
  }
  cancelAnimationFrame(frame);
  answering = null;
  grow(item, { isGrowing: false, isLast: true });
  showBusy(false);
  announcer.end(message.text, message.error ?? (message.stopped ? 'Stopped.' : message.calls.length > 0 ? 'The model calls tools.' : ''));
  keep();
}

function showLast(message) {
  const item = new AnswerItem(message, { copy, regenerate, sendResults });
  item.update({ isGrowing: true });
  $('messages').lastElementChild.replaceWith(item.element);
  window.scrollTo({ top: document.body.scrollHeight });
  return item;
}

/** Shows what came, and stays at the end of the page if that is where the reader is. */
function grow(item, state = { isGrowing: true }) {
  const { scrollTop, clientHeight, scrollHeight } = document.documentElement;
  const isAtEnd = scrollTop + clientHeight > scrollHeight - 80;
  item.update(state);
  if (isAtEnd) {
    window.scrollTo({ top: document.body.scrollHeight });
  }
}

function take(message, chunk, clock) {
  message.usage = chunk.usage ?? message.usage;
  const choice = chunk.choices[0];
  if (choice?.finish_reason) {
    message.finish = choice.finish_reason;
  }
  const { content, tool_calls: calls } = choice?.delta ?? {};
  if (content || calls) {
    clock.last = performance.now();
    clock.first ||= clock.last;
    clock.chunks++;
    message.text += content ?? '';
    for (const call of calls ?? []) {
      const known = message.calls[call.index] ??= { id: call.id, name: call.function.name, arguments: '' };
      known.arguments += call.function.arguments;
    }
    message.first = clock.first - clock.begun;
  }
  const seconds = (clock.last - clock.first) / 1000;
  // A chunk is a token, or several that make one character; the usage counts them. What came at once has no rate.
  message.rate = seconds >= 0.05 ? ((message.usage?.completion_tokens ?? clock.chunks) - 1) / seconds : undefined;
}

function send() {
  const text = $('message').value.trim();
  if (answering || (!text && pictures.length === 0) || !checkSettings()) {
    return;
  }
  if (conversation.openCalls.length > 0) {
    notice('The model waits for the results of its calls: give them above first.');
    $('messages').querySelector('.call textarea')?.focus();
    return;
  }
  notice('');
  conversation.addUser(text, pictures);
  $('message').value = '';
  pictures = [];
  showPictures();
  $('message').focus();
  void answer();
}

function regenerate() {
  if (!answering && checkSettings() && conversation.dropAnswer()) {
    notice('');
    $('message').focus();
    void answer();
  }
}

function sendResults(results) {
  if (answering || !checkSettings()) {
    return;
  }
  conversation.openCalls.forEach((call, i) => {
    call.result = results[i];
  });
  $('message').focus();
  void answer();
}

function checkSettings() {
  const wrong = settings.wrongField;
  if (wrong) {
    openSettings(true);
    wrong.focus();
    wrong.reportValidity();
  }
  return !wrong;
}

function showBusy(isBusy) {
  if (!isBusy && document.activeElement === $('stop')) {
    $('message').focus();
  }
  $('stop').hidden = !isBusy;
  $('send').hidden = isBusy;
  $('clear').disabled = isBusy;
}

// Pictures

async function addFiles(files) {
  notice('');
  for (const file of files) {
    try {
      pictures.push(await readPicture(file));
    } catch (error) {
      notice(error.message);
    }
  }
  showPictures();
}

function showPictures() {
  $('pictures').hidden = pictures.length === 0;
  $('pictures').replaceChildren(...pictures.map((picture, i) => {
    const remove = make('button', { type: 'button', className: 'quiet small', textContent: 'Remove', ariaLabel: `Remove ${picture.name}` });
    remove.addEventListener('click', () => {
      pictures.splice(i, 1);
      showPictures();
      $('choose').focus();
    });
    return make('li', {}, pictureFigure(picture, rule, [remove]));
  }));
}

// Settings and the key

function openSettings(isOpen) {
  $('settings').hidden = !isOpen;
  $('show-settings').setAttribute('aria-expanded', String(isOpen));
  // On narrow screens they stand above what was said.
  if (isOpen) {
    $('settings').scrollIntoView({ block: 'nearest' });
  }
}

function closeSettings() {
  openSettings(false);
  $('show-settings').focus();
}

/** Asks for a key; null if none is given. */
function askKey(why) {
  return new Promise(resolve => {
    const dialog = $('key');
    dialog.returnValue = '';
    $('key-why').textContent = why;
    $('key-value').value = '';
    dialog.addEventListener('close', () => resolve(dialog.returnValue || null), { once: true });
    dialog.showModal();
  });
}

$('key-form').addEventListener('submit', event => {
  event.preventDefault();
  $('key').close($('key-value').value.trim());
});
$('key-cancel').addEventListener('click', () => $('key').close(''));

// The controls

$('composer').addEventListener('submit', event => {
  event.preventDefault();
  send();
});
$('message').addEventListener('keydown', event => {
  if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    send();
  }
});
$('stop').addEventListener('click', () => answering?.abort());
$('example').addEventListener('click', event => {
  $('message').value = event.target.textContent;
  $('message').focus();
});
$('clear').addEventListener('click', () => {
  if (conversation.messages.length === 0 || confirm('Forget this conversation?')) {
    conversation.clear();
    notice('');
    showAll();
    $('message').focus();
  }
});
$('show-settings').addEventListener('click', () => openSettings($('settings').hidden));
$('hide-settings').addEventListener('click', closeSettings);
$('choose').addEventListener('click', () => $('files').click());
$('files').addEventListener('change', event => {
  void addFiles([...event.target.files]);
  event.target.value = '';
});
document.addEventListener('keydown', event => {
  if (event.key === 'Escape' && !$('key').open) {
    if (answering) {
      answering.abort();
    } else if ($('settings').contains(document.activeElement)) {
      closeSettings();
    }
  }
});
document.addEventListener('paste', event => {
  const files = [...event.clipboardData.files];
  if (files.length > 0) {
    event.preventDefault();
    void addFiles(files);
  }
});
document.addEventListener('dragover', event => {
  if (event.dataTransfer.types.includes('Files')) {
    event.preventDefault();
    document.body.classList.add('dropping');
  }
});
document.addEventListener('dragleave', event => {
  if (!event.relatedTarget) {
    document.body.classList.remove('dropping');
  }
});
document.addEventListener('drop', event => {
  document.body.classList.remove('dropping');
  if (event.dataTransfer.files.length > 0) {
    event.preventDefault();
    void addFiles([...event.dataTransfer.files]);
  }
});
window.addEventListener('pagehide', () => {
  if (answering) {
    conversation.save();
  }
});

/** Learns which model it is, once it is there. */
async function greet() {
  try {
    model = await fetchModel(askKey);
  } catch (error) {
    $('model').textContent = error.message;
    if (error.status === 503) {
      setTimeout(greet, 2000);
    }
    return;
  }
  $('model').textContent = model.id;
  rule = model.pictures ?? rule;
  document.body.classList.toggle('blind', !model.vision);
  $('choose').hidden = !model.vision;
  if (!answering) {
    showAll();
    showPictures();
  }
}

bindTheme($('theme'));
showAll();
void greet();
