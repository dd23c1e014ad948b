export const DEFAULT_LISTEN = '127.0.0.1:9464';

/** Where a server listens; the host without brackets, port 0 for any free one. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Takes `ADDRESS:PORT` apart; undefined if it is something else. */
export function parseListen(text: string): Address | undefined {
  const [, address, host, digits] = /^(?:\[([^\]]*)\]|([^:[\]\s/]+)):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits === undefined || port > 65_535) return undefined;
  if (address !== undefined && !URL.canParse(`http://[${address}]`)) return undefined;
  return { host: address ?? host ?? '', port };
}

const TOP_LINE = /^(?:#.*|[a-z_]+:(?:[ \t].*)?|[ \t].*|)$/;
const SECTION = /^telemetry:[ \t]*(?:[ \t]#.*)?$/;
const LISTEN = /^listen:[ \t]+(?:"([^"$]*)"|'([^'$]*)'|([\w.][\w.:-]*))[ \t]*(?:[ \t]#.*)?$/;

/**
 * Finds `telemetry.listen` in a file of the usual form: each key, section and address on a line of its own. Undefined
 * for any other file: only a YAML parser can read that.
 */
export function plainListen(text: string): Address | undefined {
  const lines = text.split(/\r?\n/);
  // What a backslash or another line break makes of a text is the parser's business.
  if (/\\|\r(?!\n)/.test(text) || !lines.every((line) => TOP_LINE.test(line))) return undefined;
  const keys = lines.flatMap((line, index) => (/^[a-z]/.test(line) ? [index] : []));
  const found = keys.filter((index) => lines[index]?.startsWith('telemetry:'));
  const [start] = found;
  if (start === undefined) return keys.length === 0 ? undefined : parseListen(DEFAULT_LISTEN);
  if (found.length > 1 || !SECTION.test(lines[start] ?? '')) return undefined;
  const end = keys.find((index) => index > start) ?? lines.length;
  return listenIn(lines.slice(start + 1, end).filter((line) => !/^[ \t]*(?:#.*)?$/.test(line)));
}

/**
 * Finds it in the lines of the section. Keys are indented as the first line is; what is indented further belongs to
 * the key above.
 */
function listenIn(section: readonly string[]): Address | undefined {
  const [indentation = ''] = /^ */.exec(section[0] ?? '') ?? [];
  const named = section.flatMap((line, index) => (line.includes('listen') ? [index] : []));
  const [index] = named;
  if (index === undefined) return section.length === 0 ? undefined : parseListen(DEFAULT_LISTEN);
  const goesOn = section[index + 1]?.startsWith(`${indentation} `) === true;
  const line = section[index] ?? '';
  if (named.length > 1 || goesOn || !line.startsWith(indentation)) return undefined;
  const [, double, single, plain] = LISTEN.exec(line.slice(indentation.length)) ?? [];
  return parseListen(double ?? single ?? plain ?? '');
}
