/** The table of reasons why a stanza became no event: the only source of their names. */
export const discardReasons = [
  /** An iq: a get or set gets its reply, the rest is ignored. */
  'iq',
  /** A copy of a stanza to the component itself, which the tap `direct` has already. */
  'copy-of-direct',
  /** A second copy of a stanza that was taken, or a copy of a stanza that no local user sent. */
  'duplicate',
  /** A copy from a server that is not trusted, or a stanza that no configured tap takes. */
  'untrusted',
  /** An envelope with more or less than one stanza, a stanza without addresses, or no stanza at all. */
  'malformed',
  /** An error that a server returns to the component itself. */
  'error',
  /** Larger than `max_stanza_size`. */
  'too-large',
  /** Callbacks and outboxes had no room. */
  'overload',
] as const;

export type DiscardReason = (typeof discardReasons)[number];
