import { isUtf8 } from 'node:buffer';
import type { DeadLetter } from '../../core/dead-letter.ts';

/** A dead letter as `list --json` shows it, without its body. Every key is always there; null: there is nothing. */
export function recordOf({ notification, reason, diedAtMs, attempts, attempt }: DeadLetter) {
  return {
    webhook_id: notification.id,
    died_at: new Date(diedAtMs).toISOString(),
    accepted_at: new Date(notification.acceptedAtMs).toISOString(),
    reason,
    status: attempt?.status ?? null,
    outcome: attempt?.outcome ?? null,
    error_code: attempt?.errorCode ?? null,
    attempts,
    backend: notification.backend,
    pool: notification.pool,
    host: notification.host,
    sender: notification.sender,
    receiver: notification.receiver,
    body_bytes: Buffer.byteLength(notification.body),
  };
}

/** As `show --json` shows it: the same with the request, or with the stanza from which no request could be made. */
export function wholeRecordOf(letter: DeadLetter) {
  const { stanza } = letter;
  const { path, headers, body } = letter.notification;
  return {
    ...recordOf(letter),
    method: stanza === undefined ? 'POST' : null,
    path: stanza === undefined ? path : null,
    headers: stanza === undefined ? headers : null,
    body: stanza === undefined && typeof body === 'string' ? body : null,
    body_base64: typeof body === 'string' ? null : base64(body),
    stanza:
      stanza === undefined
        ? null
        : {
            xml: stanza.xml,
            namespace: stanza.namespace,
            dir: stanza.dir,
            from: stanza.from,
            to: stanza.to,
            received_at: new Date(stanza.receivedAtMs).toISOString(),
          },
  };
}

/** The columns of a table that is made line by line, and how wide they are at least. */
const columns = {
  'died at': 20,
  'webhook-id': 36,
  backend: 12,
  pool: 12,
  reason: 8,
  status: 7,
  attempts: 8,
  sender: 24,
  receiver: 0,
} as const;

export function heading(): string {
  return row(Object.keys(columns).map((name) => name.toUpperCase()));
}

export function rowOf({ notification, reason, diedAtMs, attempts, attempt }: DeadLetter): string {
  const { id, backend, pool, sender, receiver } = notification;
  const status = String(attempt?.status ?? attempt?.outcome ?? '-');
  return row([seconds(diedAtMs), id, backend, pool, reason, status, String(attempts), sender, receiver]);
}

function row(cells: readonly string[]): string {
  const widths = Object.values(columns);
  return cells.map((cell, index) => printable(cell).padEnd(widths[index] ?? 0)).join('  ');
}

/** A letter for people: first what became of it, then the request as it would be sent, or the stanza. */
export function wholeText(letter: DeadLetter): string {
  const { notification, reason, diedAtMs, attempts, attempt, stanza } = letter;
  const last = attempt === undefined ? 'none' : (attempt.status ?? attempt.errorCode ?? attempt.outcome);
  const facts: Record<string, string> = {
    'webhook-id': notification.id,
    'died at': new Date(diedAtMs).toISOString(),
    reason,
    attempts: String(attempts),
    'last attempt': String(last),
    backend: notification.backend,
    pool: notification.pool,
    sender: notification.sender,
    receiver: notification.receiver,
    'accepted at': new Date(notification.acceptedAtMs).toISOString(),
  };
  const lines = Object.entries(facts).map(([name, value]) => `${name.padEnd(14)}${printable(value)}`);
  const content = stanza === undefined ? requestText(letter) : `stanza (dir ${stanza.dir}):\n${stanza.xml}`;
  return `${lines.join('\n')}\n\n${safeForTerminal(content)}`;
}

function requestText({ notification: { path, headers, body } }: DeadLetter): string {
  const head = [`POST ${path === '' ? '(the path of the pool)' : path}`];
  for (const [name, value] of Object.entries(headers)) head.push(`${name}: ${value}`);
  const isText = typeof body === 'string' || isUtf8(body);
  const text = isText ? Buffer.from(body).toString() : `(${body.length} bytes in base64)\n${base64(body)}`;
  return `${head.join('\n')}\n\n${text}`;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

function seconds(timeMs: number): string {
  return new Date(timeMs).toISOString().replace(/\.\d+Z$/, 'Z');
}

/**
 * JSON on one line that steers no terminal: what would is escaped, so that for a program the value is the same.
 */
export function jsonOf(value: object): string {
  // JSON itself escapes the controls of ASCII.
  return JSON.stringify(value).replaceAll(/[\x7f-\x9f]|[\p{Bidi_Control}\p{Zl}\p{Zp}]/gu, escaped);
}

/** On one line, and with what would steer a terminal as visible escapes. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, escaped);
}

/** What users wrote must not steer an operator's terminal; a file gets it as it is. */
function safeForTerminal(text: string): string {
  if (!process.stdout.isTTY) return text;
  // Only line breaks and tabs are harmless among control characters.
  return text.replaceAll(/(?![\n\t])[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/gu, escaped);
}

/** Such as \u009b; beyond four digits as \u{e0001}. */
function escaped(character: string): string {
  const code = (character.codePointAt(0) ?? 0).toString(16).padStart(4, '0');
  return code.length > 4 ? `\\u{${code}}` : `\\u${code}`;
}
