import { readFileSync } from 'node:fs';

const root = new URL('../..', import.meta.url);

/** A page of the documentation, or any file, by its path in the project. */
export function readPage(path: string): string {
  return readFileSync(new URL(path, root), 'utf8');
}

/** A block of code on a page. */
export interface Block {
  /** What stands behind the opening fence; '' if nothing does. */
  readonly language: string;
  readonly text: string;
}

/** All blocks of code on a page, in order. */
export function blocksOf(page: string): Block[] {
  const found = page.matchAll(/^```(\w*)\n(.*?)^```$/gms);
  return Array.from(found, ([, language = '', text = '']) => ({ language, text }));
}

/** The lines for the sidecar that a server's page shows for a tap. */
export function sidecarLines(server: string, tap: string): string {
  const blocks = blocksOf(readPage(`config/${server}/README.md`));
  const block = blocks.find(({ text }) => text.includes(`\n  taps: [${tap}, direct]\n`));
  if (block === undefined) throw new Error(`config/${server}/README.md shows no taps: [${tap}, direct]`);
  return block.text;
}
