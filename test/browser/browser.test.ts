import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build } from 'esbuild';
import { type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as downhill from '../../src/index.ts';
import { families } from './families.ts';
import type { Tasks } from './page.ts';
import { work } from './work.ts';

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
const required = process.env.REQUIRE_BROWSER === '1';
const root = fileURLToPath(new URL('../..', import.meta.url));

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** The two ways in: the file of the package as it is, and a page's own bundle of the package. */
const shipped: BuildOptions = { external: ['/downhill.js'], alias: { downhill: '/downhill.js' } };
const bundled: BuildOptions = {};

async function pageScript(options: BuildOptions): Promise<string> {
  const { outputFiles, warnings } = await build({
    entryPoints: ['test/browser/page.ts'],
    absWorkingDir: root,
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    logLevel: 'silent',
    ...options,
  });
  expect(warnings).toEqual([]);
  return outputFiles![0]!.text;
}

describe.runIf(required || existsSync(executablePath))('in Chromium', () => {
  let folder = '';
  let server: Server | undefined;
  let context: BrowserContext | undefined;
  const files = new Map<string, { type: string; text: string }>();

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'chromium-'));
    const text = await readFile(join(root, 'dist/browser/downhill.js'), 'utf8');
    files.set('/downhill.js', { type: 'text/javascript', text });
    files.set('/', {
      type: 'text/html',
      text: '<!doctype html><title>downhill</title><script type="module" src="/page.js"></script>',
    });
    const listening = createServer(({ url = '' }, response) => {
      const file = files.get(url);
      response.writeHead(file ? 200 : 404, {
        'content-type': `${file?.type ?? 'text/plain'}; charset=utf-8`,
      });
      response.end(file?.text);
    });
    server = listening;
    await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
    context = await chromium.launchPersistentContext(folder, { executablePath, headless: true, args: FLAGS });
  });

  afterAll(async () => {
    await context?.close();
    server?.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Opens a page with the tasks, does one of them, and gives its result; any error of the page is one here. */
  async function inPage<K extends keyof Tasks>(
    options: BuildOptions,
    task: K,
  ): Promise<Awaited<ReturnType<Tasks[K]>>> {
    files.set('/page.js', { type: 'text/javascript', text: await pageScript(options) });
    const page: Page = await context!.newPage();
    const errors: Error[] = [];
    page.on('pageerror', (error) => errors.push(error));
    await page.goto(`http://127.0.0.1:${(server!.address() as AddressInfo).port}/`);
    expect(errors).toEqual([]);
    const result = await page.evaluate(`${task}()`);
    expect(errors).toEqual([]);
    await page.close();
    return result as Awaited<ReturnType<Tasks[K]>>;
  }

  it.each([
    ['the file of the package', shipped],
    ['the package in a bundle', bundled],
  ])(
    '%s trains, predicts, saves and loads: the same bits as Node, where they are asked for',
    async (_, way) => {
      const node = await work(downhill);
      expect(node.losses.at(-1)).toBeLessThan(0.05);
      expect(node.scores.accuracy).toBeGreaterThan(0.8);
      expect(await inPage(way, 'work')).toEqual(node);
    },
  );

  it.each([shipped, bundled])(
    'convolution, normalization, attention, a recurrence and operations of the user train in a page as in Node, bit for bit',
    async (way) => {
      const node = await families(downhill);
      expect(node.losses.at(-1)).toBeLessThan(node.losses[0]! / 2);
      expect(await inPage(way, 'families')).toEqual(node);
    },
  );

  it('a page stays alive while it trains', async () => {
    const { timers, frames, epochs } = await inPage(shipped, 'liveliness');
    expect(epochs).toBeGreaterThan(5);
    expect(timers).toBeGreaterThan(20);
    expect(frames).toBeGreaterThan(10);
  });

  it.each([shipped, bundled])('a page is told what to do without files and threads', async (way) => {
    expect(await inPage(way, 'files')).toEqual({
      save: 'UsageError: save writes a file and needs Node; in a browser keep or send model.toBytes()',
      load:
        'UsageError: loadModel reads a path in Node only; in a browser fetch the file and give its bytes: ' +
        'loadModel(await response.arrayBuffer())',
      threads: expect.stringContaining('UsageError: Trainer.create: threads above 1 work in Node'),
    });
  });
});

it('a bundle for browsers asks for no module of Node', async () => {
  expect(await pageScript(bundled)).not.toMatch(/["']node:/);
  expect(await readFile(join(root, 'dist/browser/downhill.js'), 'utf8')).not.toMatch(/["']node:/);
});
