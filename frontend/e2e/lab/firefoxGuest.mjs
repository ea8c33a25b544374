// A guest in Firefox on another machine of the laboratory: the tool that drives Firefox speaks to it over loopback, so it
// has to be on the same machine. Prints what happens, one line each, until it is killed.
// node firefoxGuest.mjs ADDRESS NAME LINK'S-NAME OTHER
import puppeteer from 'puppeteer-core';

const [address, name, link, other] = process.argv.slice(2);
const firefox = await puppeteer.launch({
  browser: 'firefox',
  executablePath: '/usr/bin/firefox-esr',
  headless: true,
  extraPrefsFirefox: {
    'media.navigator.streams.fake': true,
    'media.navigator.permission.disabled': true,
    'media.autoplay.default': 0,
    'media.autoplay.blocking_policy': 0,
  },
});
process.once('SIGTERM', () => void firefox.close().finally(() => process.exit()));

const page = await firefox.newPage();
/** Waits until an expression is true in the page; evaluated now and then, since Firefox draws in software here. */
async function until(expression) {
  while (!(await page.evaluate(expression))) await new Promise((done) => setTimeout(done, 50));
}
const opened = Date.now();
await page.goto(address);
await until(`document.body.innerText.includes(${JSON.stringify(link)})`);
console.log(`shown ${Date.now() - opened}`);
await page.locator('aria/Your name[role="textbox"]').fill(name);
await until(`(() => {
  const join = [...document.querySelectorAll('button')].find((b) => b.textContent.trim() === 'Join' && !b.disabled);
  join?.click();
  return join !== undefined;
})()`);
await until(`(() => {
  const tile = [...document.querySelectorAll('[role="group"]')].find((g) => g.getAttribute('aria-label') === ${JSON.stringify(other)});
  return (tile?.querySelector('video')?.getVideoPlaybackQuality().totalVideoFrames ?? 0) > 5;
})()`);
console.log(`sees ${Date.now() - opened}`);
