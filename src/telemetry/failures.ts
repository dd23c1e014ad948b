import type { Attempt, Outcome } from '../core/delivery.ts';
import { PlainError } from '../core/errors.ts';

const MOST_FRAMES = 5;

/** What to look at, by Node's error code, where the code says more than the outcome. */
export const adviceByCode: Readonly<Record<string, string>> = {
  EAI_AGAIN: 'the name service does not respond',
  EHOSTUNREACH: 'check the network between here and the receiver',
  ENETUNREACH: 'check the network between here and the receiver',
  NOT_HTTP: 'does the receiver speak HTTP on this port?',
  EPROTO: "does the receiver speak TLS on this port? without TLS the pool's server begins with http://",
  ERR_TLS_CERT_ALTNAME_INVALID:
    "the certificate is for another name: check the host name in the pool's server",
  CERT_HAS_EXPIRED: 'the certificate has expired: renew it at the receiver',
  CERT_NOT_YET_VALID: 'the certificate is not valid yet: check the clocks here and at the receiver',
};

/** What to look at, by the outcome of an attempt. */
export const adviceByOutcome: Readonly<Partial<Record<Outcome, string>>> = {
  refused: 'is the receiver running, and is this its port?',
  dns: "check the host name in the pool's server",
  timeout:
    'no response within request_timeout: is the receiver overloaded, does a firewall drop packets, does the name service respond?',
  tls: 'the certificate is not trusted: name the file of its authority in the environment variable NODE_EXTRA_CA_CERTS',
  reset:
    'the receiver closed the connection without a response: does it speak http:// or https:// on this port?',
};

/** What an operator should look at after an attempt without a response; undefined where nothing general can be said. */
export function adviceOn({ outcome, errorCode = '' }: Attempt): string | undefined {
  return Object.hasOwn(adviceByCode, errorCode) ? adviceByCode[errorCode] : adviceByOutcome[outcome];
}

/**
 * Class, code and place of an error, without its message: a callback's error may quote the stanza there. Its
 * properties are left out, too: those of an HTTP error hold headers and body.
 */
export function describeError(error: unknown): object {
  try {
    if (!(error instanceof Error)) return { name: typeof error };
    const { name, message } = error;
    const { code } = error as NodeJS.ErrnoException;
    return {
      name: isWord(name) ? name : 'Error',
      ...(isWord(code) && { code }),
      ...(error instanceof PlainError && { message }),
      stack: framesOf(error),
    };
  } catch {
    // The properties may be getters that throw.
    return { name: 'Error' };
  }
}

/** The code that throws an error sets its name and code: they are shown only if they are one word, not a text. */
function isWord(value: unknown): value is string {
  return typeof value === 'string' && /^\w+$/.test(value);
}

/** The stack begins with the original message. If it does not, any of its lines may be a part of a message. */
function framesOf({ message, stack }: Error): string[] {
  const start = typeof stack === 'string' ? stack.indexOf(message) : -1;
  if (start === -1) return [];
  const frames = stack!.slice(start + message.length).match(/^ +at .*:\d+:\d+\)?$/gm) ?? [];
  return frames.slice(0, MOST_FRAMES).map((frame) => frame.trim());
}
