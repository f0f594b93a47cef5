// Drives pages of a headless Chromium for the tests: one JSON command a line on standard input, one JSON
// answer a line on standard output. One browser serves all commands, so that shaders are compiled once.
//
//   node driver.mjs CHROMIUM PROFILE_FOLDER        (modules are found by NODE_MODULES)
//
// Commands:
//   {open: url, scheme: "light" | "dark"}   opens a page in place of the last; answers with its title
//   {evaluate: "expression"}                evaluates in the page, promises awaited; answers with the value
//   {wait: "expression", seconds}           waits until it is true in the page
//   {resize: true, width, height}           gives the window another size
//   {press: key}                            presses a key, such as "Tab" or "Enter"
//   {screenshot: path, width, height, full} writes a PNG of the page in a window of that size (full: of
//                                           what is below, too); answers
//                                           with {colours, brightness}: how many differ, the mean of 0..1
// An answer is {value} or {error}; every one carries `console`: the page's warnings and errors since
// the last, and `requests`: the addresses that were asked for since the last.
import readline from 'node:readline';
import { createRequire } from 'node:module';

const { chromium } = createRequire(`${process.env.NODE_MODULES}/`)('playwright-core');
const [executablePath, profile] = process.argv.slice(2);

const context = await chromium.launchPersistentContext(profile, {
  executablePath,
  headless: true,
  // Playwright's own choice of a software renderer; ours is the adapter in libvk_swiftshader.so.
  ignoreDefaultArgs: [
    '--disable-gpu', '--use-gl=swiftshader', '--use-angle=swiftshader-webgl',
    '--enable-unsafe-swiftshader',
  ],
  args: [
    '--no-sandbox',
    '--enable-unsafe-webgpu',
    // Bounds checks cost a factor of eight on a software device; the kernels do not rely on them.
    '--enable-dawn-features=disable_robustness',
    // The page under test may ask its own server only.
    '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1',
  ],
});
let page = context.pages()[0];
let messages = [];
let requests = [];

async function open({ open: url, scheme = 'light' }) {
  const old = page;
  page = await context.newPage(); // a page's GPU memory goes with it
  await old?.close();
  page.on('console', (message) => {
    if (['warning', 'error'].includes(message.type())) messages.push(message.text());
  });
  page.on('request', (request) => requests.push(request.url()));
  page.on('pageerror', (error) => messages.push(`uncaught: ${error}`));
  page.on('crash', () => messages.push('the page crashed'));
  await page.emulateMedia({ colorScheme: scheme });
  await page.goto(url);
  return page.title();
}

async function screenshot({ screenshot: path, width = 1100, height = 900, full = false }) {
  await page.setViewportSize({ width, height });
  const png = await page.screenshot({ path, fullPage: full });
  const blank = await context.newPage();
  try {
    return await blank.evaluate(measure, png.toString('base64'));
  } finally {
    await blank.close();
  }
}

/** Runs in a blank page: decodes a picture there. */
async function measure(base64) {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
  const picture = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d');
  picture.drawImage(bitmap, 0, 0);
  const { data } = picture.getImageData(0, 0, bitmap.width, bitmap.height);
  const colours = new Set(new Uint32Array(data.buffer));
  let sum = 0;
  for (let i = 0; i < data.length; i += 4) sum += data[i] + data[i + 1] + data[i + 2];
  return { colours: colours.size, brightness: sum / (data.length / 4) / 765 };
}

function run(command) {
  if (command.open) return open(command);
  if (command.evaluate) return page.evaluate(command.evaluate);
  if (command.wait) {
    const options = { timeout: command.seconds * 1000, polling: 200 };
    return page.waitForFunction(command.wait, null, options).then(() => true);
  }
  if (command.resize) return page.setViewportSize({ width: command.width, height: command.height });
  if (command.press) return page.keyboard.press(command.press);
  if (command.screenshot) return screenshot(command);
  throw new Error(`unknown command ${JSON.stringify(command)}`);
}

process.stdout.write('{"value": "ready"}\n');
for await (const line of readline.createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = { value: (await run(JSON.parse(line))) ?? null };
  } catch (error) {
    answer = { error: String(error.message ?? error) };
  }
  process.stdout.write(`${JSON.stringify({ ...answer, console: messages.splice(0), requests: requests.splice(0) })}\n`);
}
await context.close();
