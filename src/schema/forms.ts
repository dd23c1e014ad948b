import { nameprep } from '../core/stringprep.ts';

/** Says what is wrong with a text and what to do, to follow the path of the key; undefined if the text is good. */
export type Form = (text: string) => string | undefined;

/** Printable text in one line. */
export function nameForm(text: string): string | undefined {
  if (text === '') return 'must not be empty';
  return /\p{Cc}/u.test(text) ? 'must be one line without control characters' : undefined;
}

/** A bare domain, as it is written; an IPv6 address in brackets is a domain too (RFC 7622, 3.2). */
export function domainForm(text: string): string | undefined {
  if (/[*?]/.test(text))
    return 'must be one domain: there are no wildcards here, so name each domain in full';
  return /^(\[[\da-f:.]+\]|[^\s@/"'<>&:.]+(\.[^\s@/"'<>&:.]+)*)$/i.test(text)
    ? undefined
    : 'must be a domain, without user, resource or port: example.com';
}

/** A domain as servers prepare it (nameprep, RFC 3491): written otherwise, it is the domain of no component and no sender. */
export function preparedDomainForm(text: string): string | undefined {
  const prepared = nameprep(text);
  if (domainForm(text) !== undefined || prepared === text) return domainForm(text);
  if (prepared === undefined) return 'must be a domain: it holds characters that no domain can have';
  return `must be written as servers prepare it, in lower case: ${prepared}`;
}

/** A name that can stand in `tag@host`. */
export function tagForm(text: string): string | undefined {
  return /[@\s]/.test(text) ? 'must not hold "@" or white space' : nameForm(text);
}

/** A path to append to a server's URL; it may hold a query. */
export function pathForm(text: string): string | undefined {
  if (/^[a-z][a-z\d+.-]*:\/\//i.test(text)) return 'must be a path: the server is given by the outgoing pool';
  if (/[\s#]/.test(text)) return 'must not hold white space or "#": encode them (%20, %23)';
  return undefined;
}

const HOST_AND_PORT = /^(\[[\da-f:.]+\]|[\w.-]+):\d+(\/[\w/-]*)?$/i;

/** The URL, or what is wrong with it; the text itself is shown only where it can hold no password. */
export function parseUrl(text: string, schemes: readonly string[], example: string): URL | string {
  if (!schemes.some((scheme) => text.startsWith(`${scheme}://`))) {
    const begin = schemes.map((scheme) => `${scheme}://`).join(' or ');
    const remedy = HOST_AND_PORT.test(text) ? `write ${schemes[0]}://${text}` : `write it like ${example}`;
    return `must begin with ${begin}: ${remedy}`;
  }
  return URL.canParse(text) && !/\s/.test(text)
    ? new URL(text)
    : `is not a valid URL: write it like ${example}`;
}

export function hasCredentials(url: URL): boolean {
  return url.username !== '' || url.password !== '';
}

export function hasQueryOrFragment(text: string): boolean {
  return /[?#]/.test(text);
}
