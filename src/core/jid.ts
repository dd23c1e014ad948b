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

  toString(): string {
    const bare = this.local === '' ? this.domain : `${this.local}@${this.domain}`;
    return this.resource === '' ? bare : `${bare}/${this.resource}`;
  }
}
