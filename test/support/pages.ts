import { readdirSync, readFileSync } from 'node:fs';

const root = new URL('../..', import.meta.url);

/** A page of the documentation, or any file, by its path in the project. */
export function readPage(path: string): string {
  return readFileSync(new URL(path, root), 'utf8');
}

/** The paths of the README and of every page of the reference. */
export const pages: readonly string[] = [
  'README.md',
  ...readdirSync(new URL('config', root), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `config/${name}`)
    .toSorted(),
];

/** The pages for people who change the code. */
export const developerPages: readonly string[] = [
  'src/README.md',
  'src/glossary.md',
  'src/costs.md',
  '.github/CONTRIBUTING.md',
  'CHANGELOG.md',
];

/** A block of code on a page. */
export interface Block {
  /** What stands behind the opening fence; '' if nothing does. */
  readonly language: string;
  readonly text: string;
}

/** All blocks of code on a page, in order. */
export function blocksOf(page: string): Block[] {
  const found = page.matchAll(/^( *)```(\w*)\n(.*?)^\1```$/gms);
  return Array.from(found, ([, , language = '', text = '']) => ({ language, text }));
}

/** A page without its blocks of code. */
export function withoutBlocks(page: string): string {
  return page.replaceAll(/^( *)```\w*\n.*?^\1```$/gms, '');
}

/** A table on a page; cells are plain text, without the marks of code. */
export interface Table {
  /** The cells of its first line, joined by ' | '. */
  readonly head: string;
  readonly rows: readonly (readonly string[])[];
}

/** All tables on a page, in order. */
export function tablesOf(page: string): Table[] {
  const found = withoutBlocks(page).matchAll(/^ *\|.*\|\n *\|[ -|]*\|\n(?: *\|.*\|\n?)*/gm);
  return Array.from(found, ([text]) => {
    const [head = [], , ...rows] = text.trimEnd().split('\n').map(cellsOf);
    return { head: head.join(' | '), rows };
  });
}

function cellsOf(line: string): string[] {
  return line
    .trim()
    .slice(1, -1)
    .split('|')
    .map((cell) => cell.trim().replaceAll('`', ''));
}

/** The targets of a page's relative links: a path from the root of the project, and a place on that page or ''. */
export function linksOf(path: string): { readonly file: string; readonly place: string }[] {
  const targets = withoutBlocks(readPage(path)).matchAll(/\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)$/gm);
  return Array.from(targets, ([, inline, below]) => inline ?? below ?? '')
    .filter((target) => !/^https?:/.test(target))
    .map((target) => {
      const url = new URL(target, new URL(path, root));
      const file = url.pathname.slice(root.pathname.length).replace(/\/$/, '');
      return { file, place: decodeURIComponent(url.hash.slice(1)) };
    });
}

/** The places on a page to which a link can lead, as web pages of repositories make them of headings. */
export function placesOf(page: string): string[] {
  return Array.from(withoutBlocks(page).matchAll(/^#+ (.*)$/gm), ([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\d _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

/** The lines for the sidecar that a server's page shows for a tap. */
export function sidecarLines(server: string, tap: string): string {
  const blocks = blocksOf(readPage(`config/${server}/README.md`));
  const block = blocks.find(({ text }) => text.includes(`\n  taps: [${tap}, direct]\n`));
  if (block === undefined) throw new Error(`config/${server}/README.md shows no taps: [${tap}, direct]`);
  return block.text;
}
