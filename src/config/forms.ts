import { domainForm, nameForm, preparedDomainForm } from '../schema/forms.ts';
import { parseListen } from './listen.ts';

const HOST_AND_PORT = /^(\[[\da-f:.]+\]|[\w.-]+):\d+(\/[\w/-]*)?$/i;

/** `xmpp://HOST[:PORT]`, `xmpps://` for TLS. */
export function serviceForm(text: string): string | undefined {
  const example = 'xmpp://127.0.0.1:5347 (xmpps:// for TLS; an IPv6 address in brackets)';
  const url = parseUrl(text, ['xmpp', 'xmpps'], example);
  if (typeof url === 'string') return url;
  if (url.hostname === '' || url.port === '0') return `must name a host, and a port above 0: ${example}`;
  if (hasCredentials(url)) return 'must not hold a user name or password: the secret has a key of its own';
  if (!['', '/'].includes(url.pathname) || hasQueryOrFragment(text)) {
    return `must end after the port: ${example}`;
  }
  return undefined;
}

/** `http://HOST[:PORT][/PATH]` or `https://…`. */
export function serverForm(text: string): string | undefined {
  const url = parseUrl(text, ['http', 'https'], 'http://127.0.0.1:8000 (https:// for TLS)');
  if (typeof url === 'string') return url;
  if (hasCredentials(url)) {
    return 'holds a user name or password: authentication is not supported by this version';
  }
  if (hasQueryOrFragment(text))
    return "must have no query (?) or fragment (#): a query goes into a backend's path";
  return undefined;
}

/** A path to append to a server's URL; it may hold a query. */
export function pathForm(text: string): string | undefined {
  if (/^[a-z][a-z\d+.-]*:\/\//i.test(text)) return 'must be a path: the server is given by the outgoing pool';
  if (/[\s#]/.test(text)) return 'must not hold white space or "#": encode them (%20, %23)';
  return undefined;
}

/** A path without a query. */
export function pathPrefixForm(text: string): string | undefined {
  return text.includes('?') ? "must have no query (?): a query goes into a backend's path" : pathForm(text);
}

/** `global`, `host` or a domain. */
export function scopeForm(text: string): string | undefined {
  return domainForm(text) === undefined
    ? preparedDomainForm(text)
    : 'must be global, host, or a domain: example.com';
}

/** A name that can stand in `tag@host`. */
export function tagForm(text: string): string | undefined {
  return /[@\s]/.test(text) ? 'must not hold "@" or white space' : nameForm(text);
}

/** What all servers hash alike in the handshake (XEP-0114, section 3). */
export function secretForm(text: string): string | undefined {
  if (text === '') return 'must not be empty: the server has one for this component';
  if (/[\r\n]/.test(text)) return 'must be one line: remove the others';
  if (text !== text.trim())
    return 'must not begin or end with white space: servers take it for a part of the secret';
  if (/\p{Cc}/u.test(text)) return 'must not hold control characters (a tab, an escape)';
  // oxlint-disable-next-line no-control-regex -- ASCII is meant
  if (/^[\x00-\x7f]*$/.test(text)) return undefined;
  return (
    'holds characters outside ASCII: XEP-0114 does not say how they become the bytes that are hashed, and ' +
    'implementations differ; choose an ASCII secret, here and in the server'
  );
}

/** A name as in a Host header, without its port. */
export function hostForm(text: string): string | undefined {
  return /^[\w.-]+$/.test(text) ? undefined : 'must be a name without a port: metrics.example.com';
}

export function listenForm(text: string): string | undefined {
  if (parseListen(text) !== undefined) return undefined;
  return 'must be ADDRESS:PORT: 127.0.0.1:9464, 0.0.0.0:9464 for every IPv4 address, [::1]:9464 for IPv6';
}

/** The URL, or what is wrong with it; the text itself is shown only where it can hold no password. */
function parseUrl(text: string, schemes: readonly string[], example: string): URL | string {
  if (!schemes.some((scheme) => text.startsWith(`${scheme}://`))) {
    const begin = schemes.map((scheme) => `${scheme}://`).join(' or ');
    const remedy = HOST_AND_PORT.test(text) ? `write ${schemes[0]}://${text}` : `write it like ${example}`;
    return `must begin with ${begin}: ${remedy}`;
  }
  return URL.canParse(text) && !/\s/.test(text)
    ? new URL(text)
    : `is not a valid URL: write it like ${example}`;
}

function hasCredentials(url: URL): boolean {
  return url.username !== '' || url.password !== '';
}

function hasQueryOrFragment(text: string): boolean {
  return /[?#]/.test(text);
}
