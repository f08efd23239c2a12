// The README's pictures of the page.

import path from 'node:path';
import { answered, ask, button, inPage, message } from './harness.mjs';

export async function takeScreenshots(browser, settings) {
  const folder = settings.screenshots;
  const look = { viewport: { width: 900, height: 700 } };
  await inPage(browser, settings, look, async page => {
    await page.locator('#files').setInputFiles(path.join(settings.pictures, 'wide.png'));
    await ask(page, 'What is in the picture?');
    await message(page).blur();
    await page.screenshot({ path: path.join(folder, 'page-picture.png') });
  });
  await inPage(browser, settings, { ...look, colorScheme: 'dark' }, async page => {
    await button(page, 'Settings').click();
    await button(page, 'Insert an example').click();
    await page.getByLabel('Call them').selectOption('required');
    await message(page).fill('What is the weather in Lima?');
    await message(page).press('Enter');
    await page.getByLabel('Result of get_weather').fill('{"temperature": 22}');
    await page.getByLabel('Call them').selectOption('none');
    await button(page, 'Send result').click();
    await answered(page, 2);
    await page.evaluate(() => window.scrollTo(0, 0));
    await message(page).blur();
    await page.screenshot({ path: path.join(folder, 'page-tools.png') });
  });
}
