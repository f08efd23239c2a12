// What goes wrong: errors, keys, and text that would like to be markup.

import assert from 'node:assert/strict';
import { answers, answered, answerWith, ask, button, chunk, message } from './harness.mjs';
import { give } from './chatting.mjs';

async function serverError(page) {
  await button(page, 'Settings').click();
  await page.getByLabel('Stop texts, one a line').fill('x'.repeat(300));
  await ask(page, 'Who are you?');
  assert.match(await answers(page).locator('.foot').innerText(), /A stop string has 1 to 256 characters/);
  await page.getByLabel('Stop texts, one a line').fill('');
  await button(page, 'Try again').click();
  assert.notEqual(await answered(page, 1), '');
  assert.equal(await page.locator('.error-text:visible').count(), 0);
}

async function brokenStreams(page) {
  const end = async (text, fault) => {
    await message(page).fill('Hello');
    await message(page).press('Enter');
    const last = answers(page).last();
    await last.locator('.error-text').filter({ hasText: fault }).waitFor();
    assert.equal(await last.locator('.text').innerText(), text);
    await page.unrouteAll();
  };
  await answerWith(page, [chunk('half')], false);
  await end('half', 'broke off');
  await answerWith(page, [chunk('some'), { error: { message: 'Nothing came for 10 s.', code: 'timeout' } }]);
  await end('some', 'Nothing came for 10 s.');
  await page.route('**/v1/chat/completions', route => route.abort());
  await end('', 'cannot be reached');
  await page.route('**/v1/chat/completions', route => route.fulfill({ status: 502, body: '<h1>Bad gateway</h1>' }));
  await end('', 'answered 502');
  assert.notEqual(await ask(page, 'How many experts does Scout have?', 5), '');
}

async function notPictures(page) {
  const alert = text => page.getByRole('alert').filter({ hasText: text }).waitFor();
  await give(page, 'drop', 'notes.txt', Buffer.from('text'), 'text/plain');
  await alert('notes.txt is not a picture');
  await give(page, 'drop', 'broken.png', Buffer.from('no picture'));
  await alert('broken.png is damaged');
  assert.equal(await page.locator('#pictures').isVisible(), false);
}

async function textIsNoMarkup(page) {
  const text = '<img src=x onerror="document.title=\'run\'"> & `<b>`\n\nsecond\nline\n\n```html\n<script>document.title="run"</script>\n```\n';
  await answerWith(page, [...text].map(chunk));
  await ask(page, '<i>not slanted</i>');
  const shown = answers(page).locator('.text');
  assert.equal(await page.locator('.user .text').innerText(), '<i>not slanted</i>');
  assert.equal(await shown.locator('p').nth(0).innerText(), '<img src=x onerror="document.title=\'run\'"> & <b>');
  assert.equal(await shown.locator('p').nth(1).innerText(), 'second\nline');
  assert.equal(await shown.locator('pre[aria-label="Code, html"]').innerText(), '<script>document.title="run"</script>');
  assert.equal(await shown.locator('img, script, b').count(), 0);
  assert.equal(await page.title(), 'Llama 4');
}

async function keys(page, { key, keyUrl }, context) {
  const dialog = page.getByRole('dialog', { name: 'API key' });
  await dialog.getByText('An API key is needed').waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), 'key-value');
  await page.keyboard.type('not-the-key-of-this-server');
  await page.keyboard.press('Enter');
  await dialog.getByText('not one of this server').waitFor();
  await page.getByLabel('Key', { exact: true }).fill(key);
  await button(page, 'Use it').click();
  assert.equal(await ask(page, 'How many experts does Scout have?'), 'Scout has 16 experts.');
  await page.reload();
  assert.equal(await ask(page, 'How many experts does Scout have?', 2), 'Scout has 16 experts.');
  assert.ok(!(await page.evaluate(() => JSON.stringify(localStorage))).includes(key), 'The key is kept beyond the session.');
  // Another tab is another session; without a key the server's message stands there.
  const other = await context.newPage();
  await other.goto(keyUrl);
  await other.getByRole('dialog').waitFor();
  await other.keyboard.press('Escape');
  await other.locator('#model').filter({ hasText: 'An API key is needed' }).waitFor();
}

export const trouble = { serverError, brokenStreams, notPictures, textIsNoMarkup, keys };
