import type { Stanza } from '../core/event.ts';
import type { XmlError } from './xml-text.ts';

/** Why a connection ended, for the operator. */
export interface Ending {
  /** In words: what happened and what to look at. */
  readonly reason: string;
  /** The server does not want us: the same try would end the same way until somebody changes something. */
  readonly refused: boolean;
}

const LONGEST_TEXT = 200;

/** What to look at, by stream error condition (RFC 6120, 4.9.3); these three are refusals. */
const REFUSALS: Readonly<Record<string, string>> = {
  'not-authorized':
    'check component.secret; some servers (ejabberd) say the same of a component.domain that they do not know',
  'host-unknown': 'check component.domain, and whether it is a component in the configuration of the server',
  conflict: "is a second sidecar connected for component.domain, or is it one of the server's own domains?",
};

/** Of an element `<stream:error/>`. */
export function streamErrorEnding(error: Stanza): Ending {
  const [first] = error.getChildElements();
  const condition = first?.getName() ?? 'no condition';
  const text = (error.getChildText('text') ?? '').slice(0, LONGEST_TEXT);
  const advice = Object.hasOwn(REFUSALS, condition) ? REFUSALS[condition] : undefined;
  const said = `the server ended the stream with ${condition}${text === '' ? '' : ` (${text})`}`;
  return { reason: advice === undefined ? said : `${said}: ${advice}`, refused: advice !== undefined };
}

export function xmlErrorEnding(error: XmlError, service: string, online: boolean): Ending {
  const advice = online ? '' : `; is ${service} its port for components?`;
  return { reason: `the server sent what is no XMPP stream: ${error.message}${advice}`, refused: false };
}

/** What to look at, by Node's error code. */
const ADVICE: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'is the server running, and is this its port for components?',
  ENOTFOUND: 'check the host name in component.service',
  EAI_AGAIN: 'the name service does not answer',
  ETIMEDOUT: 'check the network between here and there',
  EHOSTUNREACH: 'check the network between here and there',
  ENETUNREACH: 'check the network between here and there',
  ERR_SSL_WRONG_VERSION_NUMBER:
    'does the server speak TLS on this port? without TLS component.service begins with xmpp://',
  ERR_TLS_CERT_ALTNAME_INVALID:
    'the certificate is for another name: check the host name in component.service',
};

const UNTRUSTED =
  'the certificate is not trusted: give its authority in the environment variable NODE_EXTRA_CA_CERTS';

/** Of a socket that failed; `online`: after the handshake. */
export function socketErrorEnding(error: NodeJS.ErrnoException, service: string, online: boolean): Ending {
  const code = error.code ?? '';
  const known = Object.hasOwn(ADVICE, code) ? ADVICE[code] : undefined;
  const advice = known ?? (/CERT|ISSUER|SIGNATURE/.test(code) ? UNTRUSTED : undefined);
  const what = online ? 'the connection broke' : `cannot connect to ${service}`;
  const said = `${what} (${code === '' ? error.message : code})`;
  return { reason: advice === undefined || online ? said : `${said}: ${advice}`, refused: false };
}
