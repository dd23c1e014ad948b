import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Node parses a file of a megabyte in less; then it says nothing. */
const CHECK_LIMIT_MS = 5000;

/** What Node puts before an error: the place, the line, and a mark below the column. */
const PLACE = /^(\/.+|\[stdin\]):(\d+)$/;

/** Says where a syntax error is, in `file` or in what it imports; else how to find that out. */
export function syntaxErrorMessage(error: SyntaxError, file: string): string {
  const place = placeIn(error.stack ?? '', file) ?? placeIn(checkAsModule(error, file), file);
  return `${error.message} (${place ?? `"node ${file}" shows where`})`;
}

/** `FILE:LINE:COLUMN`, without the column where Node marks none; both count from 1. */
function placeIn(text: string, file: string): string | undefined {
  const [head = '', , mark = ''] = text.split('\n', 3);
  const [, where, line] = PLACE.exec(head) ?? [];
  if (where === undefined) return undefined;
  const column = /^\s*\^/.exec(mark)?.[0].length;
  return [where === '[stdin]' ? file : where, line, column].filter((part) => part !== undefined).join(':');
}

/** What another Node says of the same error: of an ES module ours keeps the place to itself. Runs nothing of the file. */
function checkAsModule(error: SyntaxError, file: string): string {
  try {
    // By its name Node 20 does not check a .js file that it takes for CommonJS first.
    const { stderr } = spawnSync(process.execPath, ['--input-type=module', '--check', '-'], {
      input: readFileSync(file),
      encoding: 'utf8',
      env: {},
      timeout: CHECK_LIMIT_MS,
    });
    // As a module CommonJS may have other errors, while the one we look for is in what it imports.
    return stderr.includes(`\nSyntaxError: ${error.message}\n`) ? stderr : '';
  } catch {
    return '';
  }
}
