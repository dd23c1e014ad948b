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
