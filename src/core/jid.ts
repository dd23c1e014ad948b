import { nameprep, nodeprep, resourceprep } from './stringprep.ts';

/** A JID with its parts prepared (RFC 7622's predecessor RFC 6122); parts that are not there are ''. */
export class Jid {
  readonly local: string;
  readonly domain: string;
  readonly resource: string;

  constructor(local: string, domain: string, resource: string) {
    this.local = local;
    this.domain = domain;
    this.resource = resource;
  }

  /** The same JID without its resource. */
  bare(): Jid {
    return this.resource === '' ? this : new Jid(this.local, this.domain, '');
  }

  equals(other: Jid): boolean {
    return this.local === other.local && this.domain === other.domain && this.resource === other.resource;
  }

  toString(): string {
    const bare = this.local === '' ? this.domain : `${this.local}@${this.domain}`;
    return this.resource === '' ? bare : `${bare}/${this.resource}`;
  }
}

/**
 * Takes a JID apart (RFC 7622, section 3.2) and prepares its parts (nodeprep, nameprep, resourceprep). Never throws.
 * If preparation of a part fails or leaves nothing, the part is used as it came, in lower case except a resource.
 * `onPreparationFailure` is called once for each such part. A part that is missing is '' and no failure. XEP-0106
 * escapes (`\20`) stay as they are. That servers refuse parts of more than 1023 bytes is not repeated here; only
 * preparation has a limit (see `nodeprep`).
 */
export function parseJid(text: string, onPreparationFailure: () => void): Jid {
  const slash = text.indexOf('/');
  const bare = slash === -1 ? text : text.slice(0, slash);
  const resource = slash === -1 ? '' : text.slice(slash + 1);
  const at = bare.indexOf('@');
  return new Jid(
    at === -1 ? '' : prepareLocal(bare.slice(0, at), onPreparationFailure),
    prepareDomain(bare.slice(at + 1), onPreparationFailure),
    prepareResource(resource, onPreparationFailure),
  );
}

/**
 * Prepares a domain, so that two can be compared: nameprep, else (see `parseJid`) in lower case. A dot at the end
 * stays, as ejabberd takes `example.com.` for another domain, and Prosody removes the dot before anybody sees it.
 */
export function prepareDomain(text: string, onPreparationFailure: () => void): string {
  const prepared = nameprep(text);
  // NFKC can make an @ or a / (of U+FF20, U+2100, ...), with which the JID would read as another user's.
  if (isUsable(prepared, text) && (prepared === text || !/[@/]/.test(prepared))) return prepared;
  onPreparationFailure();
  return text.toLowerCase();
}

function prepareLocal(text: string, onPreparationFailure: () => void): string {
  const prepared = nodeprep(text);
  if (isUsable(prepared, text)) return prepared;
  onPreparationFailure();
  return text.toLowerCase();
}

function prepareResource(text: string, onPreparationFailure: () => void): string {
  const prepared = resourceprep(text);
  if (isUsable(prepared, text)) return prepared;
  onPreparationFailure();
  return text;
}

function isUsable(prepared: string | undefined, text: string): prepared is string {
  return prepared !== undefined && (prepared !== '' || text === '');
}
