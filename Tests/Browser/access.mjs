// Everybody: keyboards, screen readers, dark rooms, narrow screens.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { answered, answers, ask, button, endlessly, message, until } from './harness.mjs';

const focused = page => page.evaluate(() => {
  const { id, textContent, name } = document.activeElement;
  return document.activeElement === document.body ? 'body' : id || name || textContent;
});

async function keyboardOnly(page) {
  const press = key => page.keyboard.press(key);
  assert.equal(await focused(page), 'message');
  await page.keyboard.type('Who are you?');
  await press('Shift+Enter');
  await page.keyboard.type('Say.');
  assert.equal(await message(page).inputValue(), 'Who are you?\nSay.');
  await press('Enter');
  await answered(page, 1);
  assert.equal(await focused(page), 'message');
  // Escape stops.
  await endlessly(page);
  await page.keyboard.type('Go on.');
  await press('Enter');
  await until(async () => (await answers(page).nth(1).locator('.text').innerText()).length > 20, 'the answer grew');
  await press('Escape');
  await answers(page).nth(1).locator('.foot').filter({ hasText: 'stopped' }).waitFor();
  await page.unrouteAll();
  // All around: everything that can be used is reached once, is seen to be, and no place keeps the focus.
  await page.reload();
  await page.evaluate(() => document.activeElement.blur());
  const visited = [];
  for (let i = 0; i < 60; i++) {
    await press('Tab');
    const at = await focused(page);
    if (at === visited[0]) {
      break;
    }
    if (at === 'body') {
      continue;
    }
    assert.equal(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), 'solid', `${at} does not show the focus.`);
    visited.push(at);
  }
  assert.deepEqual(visited, ['choose', 'send', 'To the message', 'show-settings', 'clear', 'theme', 'Copy', 'Copy', 'Regenerate', 'message']);
  // The settings open and close, and the focus comes back.
  await page.locator('#show-settings').focus();
  await press('Enter');
  assert.equal(await page.locator('#settings').isVisible(), true);
  await press('Tab');
  await press('Tab');
  await press('Tab');
  await press('Tab');
  assert.equal(await focused(page), 'temperature', 'The settings come late.');
  await press('Escape');
  assert.equal(await page.locator('#settings').isVisible(), false);
  assert.equal(await focused(page), 'show-settings');
}

async function screenReader(page) {
  await page.evaluate(() => {
    window.told = [];
    new MutationObserver(() => window.told.push(document.getElementById('status').textContent)).observe(document.getElementById('status'), { childList: true });
  });
  await ask(page, 'How many experts does Scout have?');
  assert.deepEqual(await page.evaluate(() => window.told), ['Answering.', 'Scout has 16 experts.']);
  await endlessly(page);
  await message(page).fill('Go on.');
  await message(page).press('Enter');
  await until(async () => (await answers(page).nth(1).locator('.text').innerText()).length > 200, 'the answer grew');
  await button(page, 'Stop').click();
  await button(page, 'Send').waitFor();
  const told = await page.evaluate(() => window.told.slice(2));
  assert.ok(told.length <= 5, `It was told ${told.length} times of one answer.`);
  assert.match(told.at(-1), /Stopped\.$/);
  assert.equal(await page.locator('#messages [aria-live], #messages[aria-live], #messages[role=log]').count(), 0);
}

async function colours(page) {
  const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor.match(/\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) / 3);
  const isDark = async () => await ground() < 80;
  assert.equal(await isDark(), false);
  await page.emulateMedia({ colorScheme: 'dark' });
  assert.equal(await isDark(), true);
  await page.getByLabel('Colours').selectOption('light');
  assert.equal(await isDark(), false);
  await page.reload();
  assert.equal(await isDark(), false);
  await page.getByLabel('Colours').selectOption('dark');
  await page.emulateMedia({ colorScheme: 'light' });
  assert.equal(await isDark(), true);
}

async function narrow(page, { pictures }) {
  await page.setViewportSize({ width: 320, height: 640 });
  await page.locator('#files').setInputFiles(path.join(pictures, 'wide.png'));
  await ask(page, `What is in the picture? ${'x'.repeat(200)}`);
  await button(page, 'Settings').click();
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), 'The page scrolls sideways.');
}

async function axe(page, { pictures }) {
  const source = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  const check = async what => {
    await page.evaluate(source);
    const { violations, passes } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations', 'passes'] }));
    assert.ok(passes.length > 15, 'axe checked next to nothing.');
    const found = violations.map(({ id, impact, nodes }) => `${id} (${impact}): ${nodes.map(node => node.target.join(' ')).join(', ')}`);
    assert.deepEqual(found, [], what);
  };
  await check('the empty page');
  await button(page, 'Settings').click();
  await button(page, 'Insert an example').click();
  await page.getByLabel('Call them').selectOption('required');
  await ask(page, 'What is the weather in Lima?');
  await page.getByLabel('Result of get_weather').waitFor();
  await page.locator('#files').setInputFiles(path.join(pictures, 'wide.png'));
  await page.getByLabel('Temperature').fill('9');
  await check('a conversation');
  await page.emulateMedia({ colorScheme: 'dark' });
  await check('a conversation in the dark');
  await page.setViewportSize({ width: 360, height: 700 });
  await check('a narrow one');
}

export const access = { keyboardOnly, screenReader, colours, narrow, axe };
