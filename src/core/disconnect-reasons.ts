/**
 * The table of reasons why a connection to the XMPP server, or a try to connect, ended: the only source of these codes.
 * A reason with a `refusal` means that the server does not want us. The same try ends the same way until an operator
 * changes something: the text says what to look at. The conditions of stream errors (RFC 6120, 4.9.3) with a refusal
 * are codes by themselves.
 */
const table = {
  stopped: {},
  'connect-failed': {},
  'tls-failed': {},
  'handshake-timeout': {},
  'not-authorized': {
    refusal:
      'check component.secret (or the file that component.secret_file names); some servers (ejabberd) say the same of a component.domain that they do not know',
  },
  'host-unknown': {
    refusal: 'check component.domain, and whether it is a component in the configuration of the server',
  },
  conflict: {
    refusal: "is a second sidecar connected for component.domain, or is it one of the server's own domains?",
  },
  'policy-violation': { refusal: 'see the log of the server for the policy' },
  'wrong-port': {
    refusal: 'give the port for components in component.service (5347 unless the server says otherwise)',
  },
  'system-shutdown': {},
  'stream-error': {},
  malformed: {},
  closed: {},
  broken: {},
  silent: {},
  'route-lost': {},
} satisfies Record<string, { readonly refusal?: string }>;

export type DisconnectReason = keyof typeof table;

export const disconnectReasons = Object.keys(table) as DisconnectReason[];

export function isDisconnectReason(text: string): text is DisconnectReason {
  return Object.hasOwn(table, text);
}

/** What to look at if the server has refused us for this reason; undefined: it has not. */
export function refusalOf(reason: DisconnectReason): string | undefined {
  const row: { readonly refusal?: string } = table[reason];
  return row.refusal;
}
