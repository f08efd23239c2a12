// What people come for: asking, pictures, tools, and finding it all again.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { answered, answers, ask, button, endlessly, message, until } from './harness.mjs';

const question = 'How many experts does Scout have?';

async function send(page) {
  assert.equal(await page.locator('#model').innerText(), 'sample-model');
  await button(page, question).click();
  await button(page, 'Send').click();
  assert.equal(await answered(page, 1), 'Scout has 16 experts.');
  assert.match(await answers(page).locator('.foot').innerText(), /\d+ tokens after \d+.* · first after /);
  assert.equal(await message(page).inputValue(), '');
  assert.notEqual(await ask(page, 'Who are you?', 2), '');
}

async function streamAndStop(page) {
  await endlessly(page);
  await message(page).fill('Tell me everything.');
  await message(page).press('Enter');
  const text = answers(page).locator('.text');
  const seen = new Set();
  await until(async () => seen.add(await text.innerText()).size >= 4, 'the answer grew while it came');
  await button(page, 'Stop').click();
  await button(page, 'Send').waitFor();
  const stopped = await text.innerText();
  assert.match(await answers(page).locator('.foot').innerText(), /^stopped · [\d.]+ tokens\/s/);
  await page.waitForTimeout(150);
  assert.equal(await text.innerText(), stopped);
  assert.equal(await page.evaluate(() => document.activeElement.id), 'message');
  await page.unrouteAll();
  await button(page, 'New chat').isEnabled();
  assert.notEqual(await ask(page, question, 2), '');
}

async function stopBeforeTheFirstToken(page) {
  await page.route('**/v1/chat/completions', () => {});
  await message(page).fill('Hello');
  await message(page).press('Enter');
  await button(page, 'Stop').click();
  await button(page, 'Send').waitFor();
  await page.unrouteAll();
  // What was not answered stands in the next request, too.
  const [request] = await Promise.all([page.waitForRequest('**/v1/chat/completions'), ask(page, question, 2)]);
  assert.deepEqual(request.postDataJSON().messages, [{ role: 'user', content: 'Hello' }, { role: 'user', content: question }]);
  assert.notEqual(await answers(page).last().locator('.text').innerText(), '');
}

async function regenerate(page) {
  await ask(page, question);
  await button(page, 'Regenerate').click();
  assert.equal(await answered(page, 1), 'Scout has 16 experts.');
  assert.equal(await answers(page).count(), 1);
  await ask(page, 'Who are you?', 2);
  assert.equal(await button(page, 'Regenerate').count(), 1);
}

async function options(page) {
  let sent;
  page.on('request', request => {
    sent = request.method() === 'POST' ? request.postDataJSON() : sent;
  });
  await button(page, 'Settings').click();
  const values = { 'System text': 'Be brief.', 'Temperature': '0.5', 'Top-p': '0.9', 'Top-k': '40', 'Min-p': '0.05', 'Most tokens': '7', 'Seed': '11', 'Stop texts, one a line': 'END\nSTOP' };
  for (const [label, value] of Object.entries(values)) {
    await page.getByLabel(label).fill(value);
  }
  await ask(page, 'Who are you?');
  const { messages, ...rest } = sent;
  assert.deepEqual(rest, { model: 'sample-model', temperature: 0.5, top_p: 0.9, top_k: 40, min_p: 0.05, max_completion_tokens: 7, seed: 11, stop: ['END', 'STOP'], stream: true, stream_options: { include_usage: true } });
  assert.deepEqual(messages, [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'Who are you?' }]);
  assert.match(await answers(page).locator('.foot').innerText(), /ended at the most tokens/);
  await page.reload();
  await button(page, 'Settings').click();
  assert.equal(await page.getByLabel('Top-k').inputValue(), '40');
  // What cannot be is not sent; the field is shown.
  await page.getByLabel('Temperature').fill('3');
  await button(page, 'Close settings').click();
  await message(page).fill('Hello');
  await message(page).press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.name), 'temperature');
  assert.equal(await answers(page).count(), 1);
}

async function pictures(page, { pictures: folder }) {
  const file = path.join(folder, 'wide.png');
  await page.locator('#files').setInputFiles(file);
  const waiting = page.getByRole('list', { name: 'Pictures to send' });
  await waiting.getByRole('img', { name: 'wide.png: 1 × 2 tiles and the whole' }).waitFor();
  await button(page, 'Remove wide.png').click();
  assert.equal(await waiting.isVisible(), false);
  for (const kind of ['drop', 'paste']) {
    await give(page, kind, 'dropped.png', fs.readFileSync(file));
    await waiting.getByRole('img').waitFor();
    assert.equal(await ask(page, 'What is in the picture?'), 'a green square, a blue circle and a green square');
    assert.match(await answers(page).locator('.foot').innerText(), /\d+ of pictures/);
    await page.locator('#messages').getByRole('img', { name: 'dropped.png: 1 × 2 tiles and the whole' }).waitFor();
    page.once('dialog', dialog => dialog.accept());
    await button(page, 'New chat').click();
  }
}

/** Drops or pastes a file. */
export function give(page, kind, name, bytes, type = 'image/png') {
  return page.evaluate(([kind, name, data, type]) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([Uint8Array.from(atob(data), c => c.charCodeAt(0))], name, { type }));
    const event = kind === 'drop' ? new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }) : new ClipboardEvent('paste', { clipboardData: transfer, bubbles: true, cancelable: true });
    document.getElementById('message').dispatchEvent(event);
  }, [kind, name, bytes.toString('base64'), type]);
}

async function tiles(page, { tiles: file }) {
  const cases = JSON.parse(fs.readFileSync(file));
  assert.ok(cases.length > 1000);
  const wrong = await page.evaluate(async list => {
    const { chooseGrid } = await import(new URL('tiles.js', document.baseURI).href);
    return list.filter(({ width, height, rule, grid }) => JSON.stringify(chooseGrid(width, height, rule)) !== JSON.stringify(grid)).slice(0, 3);
  }, cases);
  assert.deepEqual(wrong, []);
}

async function reload(page, { pictures: folder }) {
  await page.locator('#files').setInputFiles(path.join(folder, 'one.png'));
  const first = await ask(page, 'What is in the picture?');
  await page.reload();
  assert.equal(await answers(page).locator('.text').innerText(), first);
  assert.equal(await page.locator('#messages').getByRole('img').count(), 1);
  // The picture is still asked about: it goes along.
  assert.equal(await ask(page, 'How many shapes are there?', 2), 'two');
  page.once('dialog', dialog => dialog.accept());
  await button(page, 'New chat').click();
  await page.reload();
  assert.equal(await answers(page).count(), 0);
  assert.equal(await page.locator('#welcome').isVisible(), true);
}

async function noRoom(page, { pictures: folder }) {
  await page.evaluate(() => {
    for (let size = 1 << 22; size > 512; size >>= 1) {
      try {
        localStorage.setItem('other', (localStorage.getItem('other') ?? '') + 'x'.repeat(size));
      } catch {
        continue;
      }
    }
  });
  await page.evaluate(() => localStorage.setItem('other', localStorage.getItem('other').slice(3000)));
  await page.locator('#files').setInputFiles(path.join(folder, 'photo.png'));
  const first = await ask(page, 'What is in the picture?');
  await page.getByRole('alert').filter({ hasText: 'no room' }).waitFor();
  assert.equal(await page.locator('#messages').getByRole('img').count(), 1);
  await page.reload();
  assert.equal(await answers(page).locator('.text').innerText(), first);
  await page.getByText('Picture not kept').waitFor();
}

async function tools(page) {
  await button(page, 'Settings').click();
  await button(page, 'Insert an example').click();
  await page.getByLabel('Call them').selectOption('required');
  await message(page).fill('What is the weather in Lima?');
  await message(page).press('Enter');
  const call = answers(page).locator('.call');
  await call.waitFor();
  assert.match(await call.innerText(), /Call: get_weather\s+\{\s+"city": "Lima"\s+\}/);
  // A message before the result is not sent: the model waits.
  await message(page).fill('And then?');
  await message(page).press('Enter');
  await page.getByRole('alert').filter({ hasText: 'waits for the results' }).waitFor();
  await page.getByLabel('Result of get_weather').fill('{"temperature": 22}');
  await page.getByLabel('Call them').selectOption('none');
  await button(page, 'Send result').click();
  assert.match(await answered(page, 2), /22/);
  assert.match(await call.innerText(), /Result\s+\{"temperature": 22\}/);
  await page.getByLabel('Functions, as a JSON list').fill('[{"name": 1}]');
  await page.getByText('list of functions, each with a name').waitFor();
  await page.reload();
  assert.match(await call.innerText(), /Result\s+\{"temperature": 22\}/);
}

export const chatting = { send, streamAndStop, stopBeforeTheFirstToken, regenerate, options, pictures, tiles, reload, noRoom, tools };
