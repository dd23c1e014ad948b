import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Node parses a file of a megabyte in less time. */
const CHECK_LIMIT_MS = 5000;

/** What Node puts before an error: the place, the line, and a mark below the column. */
const PLACE = /^(\/.+|\[stdin\]):(\d+)$/;

/** Says in words for an operator why a callback module could not be loaded. */
export function messageOf(error: unknown, fileUrl = ''): string {
  try {
    return error instanceof Error ? errorMessage(error, fileUrl) : String(error);
  } catch {
    // Modules may throw anything, even what throws when it is looked at.
    return 'it threw something that cannot be shown';
  }
}

function errorMessage(error: NodeJS.ErrnoException, fileUrl: string): string {
  const { message, code } = error;
  if (code === 'ERR_UNKNOWN_FILE_EXTENSION' && /"\.[cm]?tsx?"/.test(message)) {
    return `Node ${process.versions.node} cannot load TypeScript (${message}): compile it to JavaScript, or run Node 22.18 or later`;
  }
  // Node itself names an export that is missing, and its module.
  return error instanceof SyntaxError && !message.includes('requested module')
    ? syntaxErrorMessage(error, fileURLToPath(fileUrl))
    : message;
}

/** Says where a syntax error is, in `file` or in what it imports, or how to find that out. */
function syntaxErrorMessage(error: SyntaxError, file: string): string {
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

/** Has `node --check` find the place, which an error of `import()` lacks; the module's code does not run. */
function checkAsModule(error: SyntaxError, file: string): string {
  try {
    // On stdin, because Node 20 does not check a .js file as a module that it takes for CommonJS.
    const { stderr } = spawnSync(process.execPath, ['--input-type=module', '--check', '-'], {
      input: readFileSync(file),
      encoding: 'utf8',
      env: {},
      timeout: CHECK_LIMIT_MS,
    });
    // CommonJS may have other errors when it is read as a module; ours may be in a file that it imports.
    return stderr.includes(`\nSyntaxError: ${error.message}\n`) ? stderr : '';
  } catch {
    return '';
  }
}
