// A browser, pages of it that must stay clean, and what tests of pages say often.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';

/** Where Chromium lies; undefined if it is nowhere. CHROMIUM in the environment names another one. */
export function findChromium() {
  const names = ['chromium', 'chromium-browser', 'google-chrome'];
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  return [process.env.CHROMIUM, ...folders.flatMap(folder => names.map(name => path.join(folder, name)))].find(file => file && fs.existsSync(file));
}

/** Starts it. Root has no sandbox, as Chromium would have it; the pages are our own. */
export async function launch(executablePath) {
  const { chromium } = await import('playwright-core');
  return chromium.launch({ executablePath, args: ['--disable-gpu', ...(process.getuid?.() === 0 ? ['--no-sandbox'] : [])] });
}

/** Runs a test in a page of its own, which may load nothing from elsewhere and may log no error. */
export async function inPage(browser, settings, { url = settings.url, options = { temperature: '0', max_completion_tokens: '200' }, ...context }, test) {
  const own = await browser.newContext({ viewport: { width: 1000, height: 760 }, colorScheme: 'light', reducedMotion: 'reduce', ...context });
  try {
    const page = await own.newPage();
    page.setDefaultTimeout(15_000);
    const faults = [];
    page.on('pageerror', error => faults.push(`error: ${error.message}`));
    // Chromium logs each answer that is not 2xx; those that a test provokes are no faults.
    page.on('console', message => message.type() === 'error' && !/^Failed to load resource/.test(message.text()) && faults.push(message.text()));
    page.on('request', request => /^(data|blob):/.test(request.url()) || request.url().startsWith(url) || faults.push(`asks ${request.url()}`));
    // Sampling as each test wants it, unless the test itself has set something.
    await page.addInitScript(kept => localStorage.getItem('llama4.options') ?? localStorage.setItem('llama4.options', kept), JSON.stringify(options));
    await page.goto(url);
    await test(page, own);
    assert.deepEqual(faults, [], 'The page had faults.');
  } finally {
    await own.close();
  }
}

export const message = page => page.getByRole('textbox', { name: 'Message', exact: true });

export const button = (page, name) => page.getByRole('button', { name, exact: true });

export const answers = page => page.locator('#messages > .assistant');

/** The last answer's text, once it is complete. */
export async function answered(page, count) {
  await answers(page).nth(count - 1).waitFor();
  await page.locator('#send').waitFor();
  return (await answers(page).nth(count - 1).locator('.text').innerText()).trim();
}

/** Asks, and gives the text of the answer. */
export async function ask(page, text, count = 1) {
  await message(page).fill(text);
  await message(page).press('Enter');
  return answered(page, count);
}

/** Lets answers go on for long, with as many tokens as the context has. */
export const endlessly = page => page.route('**/v1/chat/completions', route =>
  route.continue({ postData: JSON.stringify({ ...route.request().postDataJSON(), ignore_eos: true, max_completion_tokens: 6000 }) }));

/** Answers in the server's place: with these events, and then the end if it is to be one. */
export const answerWith = (page, chunks, isWhole = true) => page.route('**/v1/chat/completions', route => route.fulfill({
  contentType: 'text/event-stream',
  body: chunks.map(chunk => `data: ${JSON.stringify(chunk)}\n\n`).join('') + (isWhole ? 'data: [DONE]\n\n' : ''),
}));

/** A chunk with text. */
export const chunk = content => ({ choices: [{ index: 0, delta: { content }, finish_reason: null }] });

/** Waits until a condition holds. */
export async function until(condition, what) {
  const end = Date.now() + 15_000;
  while (!await condition()) {
    assert.ok(Date.now() < end, `It never came that ${what}.`);
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}
