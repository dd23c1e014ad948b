import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished } from 'vitest';
import { allow } from './limits.ts';

allow('processes');

const root = fileURLToPath(new URL('../..', import.meta.url));

/** What somebody writes who follows a recipe; paths are relative to `src/`. */
export interface RecipeSteps {
  /** New files with their content. */
  readonly files?: Readonly<Record<string, string>>;
  /** Lines that are put after the first line that contains `after`, in files that are there. */
  readonly lines?: readonly RecipeLine[];
  /** What else the copy must hold to show it, relative to the root: the tests, for example. */
  readonly with?: readonly string[];
}

export interface RecipeLine {
  readonly file: string;
  readonly after: string;
  readonly line: string;
}

/** A compiled copy of the source in which a recipe was followed. */
export interface RecipeProject {
  readonly folder: string;
  /** Its `dist/main.js`, for `startCli` and `startSidecar`. */
  readonly main: string;
  /** Runs a program in the copy. */
  run(program: string, ...args: readonly string[]): Promise<ProgramResult>;
}

export interface ProgramResult {
  readonly code: number;
  /** What it wrote on both. */
  readonly output: string;
}

/**
 * Follows a recipe of the table "To add …" in src/README.md in a copy of the source, and compiles it.
 * Fails if a step touches a file that the recipe does not name, or if the compiler objects.
 * @param what The first cell of its row.
 */
export async function followRecipe(
  what: string,
  { files = {}, lines = [], with: others = [] }: RecipeSteps,
): Promise<RecipeProject> {
  await expectNamed(what, [...Object.keys(files), ...lines.map(({ file }) => file)]);
  const folder = await copyOfSource(['src', 'package.json', 'tsconfig.json', ...others]);
  const source = (file: string): string => join(folder, 'src', file);
  for (const [file, content] of Object.entries(files)) {
    await mkdir(dirname(source(file)), { recursive: true });
    await writeFile(source(file), content);
  }
  for (const line of lines) await writeFile(source(line.file), withLine(await text(line.file, folder), line));
  const run = (program: string, ...args: readonly string[]): Promise<ProgramResult> =>
    runIn(folder, program, args);
  const built = await run('npx', 'tsc', '-p', 'src');
  expect(built.output, 'what the compiler says').toBe('');
  return { folder, main: join(folder, 'dist/main.js'), run };
}

/** Every file that a step touches stands in the recipe: itself, or the folder that it is in. */
async function expectNamed(what: string, touched: readonly string[]): Promise<void> {
  const map = await readFile(join(root, 'src/README.md'), 'utf8');
  const row = map.split('\n').find((line) => line.startsWith(`| ${what} |`));
  expect(row, `src/README.md has the recipe "${what}"`).toBeDefined();
  const named = [...(row ?? '').matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);
  for (const file of touched) {
    const isNamed = named.some(
      (name) => name === file || (name.endsWith('/') && dirname(file) + '/' === name),
    );
    expect(isNamed, `the recipe "${what}" names ${file}: it names ${named.join(', ')}`).toBe(true);
  }
}

async function copyOfSource(parts: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'recipe-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  for (const part of parts) await cp(join(root, part), join(folder, part), { recursive: true });
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

function text(file: string, folder: string): Promise<string> {
  return readFile(join(folder, 'src', file), 'utf8');
}

function withLine(content: string, { file, after, line }: RecipeLine): string {
  const rows = content.split('\n');
  const index = rows.findIndex((row) => row.includes(after));
  expect(index, `${file} has a line with ${after}`).toBeGreaterThanOrEqual(0);
  return rows.toSpliced(index + 1, 0, line).join('\n');
}

function runIn(folder: string, program: string, args: readonly string[]): Promise<ProgramResult> {
  return new Promise((resolve) => {
    execFile(program, args, { cwd: folder, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), output: stdout + stderr });
    });
  });
}
