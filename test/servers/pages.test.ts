import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { folderWith, good, load } from '../config/load-text.ts';
import { type Block, blocksOf, readPage } from '../support/pages.ts';

type Holder = (block: Block, page: readonly Block[]) => Promise<void> | void;

/** The block is the whole file, with which the tests of this folder start a server (support/servers). */
const isFile =
  (path: string): Holder =>
  ({ text }) =>
    expect(text).toBe(readPage(path));

/** The block has its place in a good configuration; sidecar.test.ts runs the sidecar with it where the server is here. */
const isGoodConfiguration: Holder = async ({ text }) => {
  const { component } = parse(text) as { component: Record<string, unknown> };
  const known = { service: 'xmpp://127.0.0.1:5347', secret: 'swordfish', ...component };
  const rest = good.slice(good.indexOf('outgoing_pools:'));
  const loaded = await load(`component: ${JSON.stringify(known)}\n${rest}`);
  expect(loaded.component.taps).toEqual(component['taps']);
};

/** support/servers/ejabberd.ts compiles the tap with these lines, and refuses others. */
const isRun: Holder = ({ language }) => expect(language).toBe('sh');

/** The line puts Prosody's tap where it says, here below another folder. */
const isInstalled: Holder = async ({ language, text }) => {
  expect(language).toBe('sh');
  const root = await folderWith({});
  const modules = '/usr/local/lib/prosody/modules';
  expect(text).toContain(` ${modules}/`);
  execFileSync('sh', ['-ec', text.replace(modules, `${root}${modules}`)], {
    cwd: fileURLToPath(new URL('../../config/prosody/', import.meta.url)),
  });
  const name = 'mod_event_pusher_tap.lua';
  expect(readFileSync(`${root}${modules}/${name}`, 'utf8')).toBe(readPage(`config/prosody/${name}`));
};

/** There is no MongooseIM here: each line is a section's head or a key with a number or a text. */
const isToml: Holder = ({ language, text }, page) => {
  expect(language).toBe('toml');
  expect(text).toMatch(/^\[\[listen\.service\]\]\n(?: {2}\w+ = (?:\d+|"[^"\\\n]*")\n)+$/);
  const [, port] = /^ {2}port = (\d+)$/m.exec(text) ?? [];
  const { component } = parse(page[1]?.text ?? '') as { component: { service: string } };
  expect(new URL(component.service).port).toBe(port);
};

/** Every block of every page about a server, in the order of the page. */
const holders: Readonly<Record<string, readonly Holder[]>> = {
  prosody: [
    isGoodConfiguration,
    isInstalled,
    isFile('config/prosody/prosody.example.cfg.lua'),
    isFile('config/prosody/mod_firewall.example.cfg.lua'),
    isFile('config/prosody/mod_firewall.pfw'),
  ],
  ejabberd: [
    isRun,
    isFile('config/ejabberd/mod_event_pusher_tap.yml'),
    isGoodConfiguration,
    isFile('config/ejabberd/mod_service_log.yml'),
    isGoodConfiguration,
  ],
  mongooseim: [isToml, isGoodConfiguration],
};

it.each(Object.entries(holders))('config/%s/README.md shows what these tests run', async (server, held) => {
  const blocks = blocksOf(readPage(`config/${server}/README.md`));
  expect(blocks).toHaveLength(held.length);
  for (const [index, block] of blocks.entries()) await held[index]?.(block, blocks);
});
