#!/usr/bin/env node
// Tests the page of a running server in a headless Chromium, or makes the README's pictures of it. README.md says how.
//
// Exit codes: 0 all tests passed, 1 one failed, 2 a wrong call, 77 something that it needs is missing (the first line says what).

import { parseArgs } from 'node:util';
import { findChromium, inPage, launch } from './harness.mjs';

const missing = 77;
const { values: settings } = parseArgs({
  options: {
    'url': { type: 'string' }, 'key-url': { type: 'string' }, 'key': { type: 'string' }, 'pictures': { type: 'string' },
    'tiles': { type: 'string' }, 'only': { type: 'string' }, 'screenshots': { type: 'string' },
  },
});
settings.keyUrl = settings['key-url'];

const executable = findChromium();
if (!executable) {
  console.log('There is no Chromium.');
  process.exit(missing);
}
let browser;
try {
  browser = await launch(executable);
} catch (error) {
  if (error.code !== 'ERR_MODULE_NOT_FOUND') {
    throw error;
  }
  console.log('playwright-core is not installed: run npm ci in Tests/Browser.');
  process.exit(missing);
}
try {
  const needed = settings.screenshots ? ['url', 'pictures'] : ['url', 'key-url', 'key', 'pictures', 'tiles'];
  const lacking = needed.filter(name => !settings[name]);
  if (lacking.length > 0) {
    console.error(`Give ${lacking.map(name => `--${name}`).join(', ')}.`);
    process.exitCode = 2;
  } else if (settings.screenshots) {
    const { takeScreenshots } = await import('./screenshots.mjs');
    await takeScreenshots(browser, settings);
  } else {
    await runTests();
  }
} finally {
  await browser.close();
}

async function runTests() {
  const [{ chatting }, { trouble }, { access }] = await Promise.all([import('./chatting.mjs'), import('./trouble.mjs'), import('./access.mjs')]);
  const tests = Object.entries({ ...chatting, ...trouble, ...access }).filter(([name]) => !settings.only || name === settings.only);
  // Most of a test is waiting: three share the browser.
  await Promise.all([1, 2, 3].map(async () => {
    for (let next = tests.shift(); next; next = tests.shift()) {
      await runTest(...next);
    }
  }));
}

async function runTest(name, test) {
  const begun = performance.now();
  try {
    await inPage(browser, settings, name === 'keys' ? { url: settings.keyUrl } : {}, (page, context) => test(page, settings, context));
    console.log(`passed ${name} (${(performance.now() - begun).toFixed(0)} ms)`);
  } catch (error) {
    process.exitCode = 1;
    console.log(`FAILED ${name}: ${error.stack}`);
  }
}
