import type { Stanza } from '../core/event.ts';
import type { DisconnectReason } from '../core/observation.ts';
import type { XmlError } from './xml-text.ts';

/** Why a connection ended. */
export interface Ending {
  readonly code: DisconnectReason;
  /** In words, for the operator: what happened and what to look at. */
  readonly reason: string;
  /** Node's code, if a socket could not be connected. */
  readonly errorCode?: string;
}

const LONGEST_TEXT = 200;

/**
 * The server does not want us, and the same try would end the same way until somebody changes something: what to look
 * at, by stream error condition (RFC 6120, 4.9.3) or by what we make of it.
 */
const REFUSALS: Readonly<Partial<Record<DisconnectReason, string>>> = {
  'not-authorized':
    'check component.secret (or the file that component.secret_file names); some servers (ejabberd) say the same of a component.domain that they do not know',
  'host-unknown': 'check component.domain, and whether it is a component in the configuration of the server',
  conflict: "is a second sidecar connected for component.domain, or is it one of the server's own domains?",
  'policy-violation': 'see the log of the server for the policy',
  'wrong-port': 'give the port for components in component.service (5347 unless the server says otherwise)',
};

export function isRefusal({ code }: Ending): boolean {
  return REFUSALS[code] !== undefined;
}

/** Of an element `<stream:error/>`. */
export function streamErrorEnding(error: Stanza): Ending {
  const [first] = error.getChildElements();
  const condition = first?.getName() ?? 'no condition';
  const text = (error.getChildText('text') ?? '').slice(0, LONGEST_TEXT);
  const said = `the server ended the stream with ${condition}${text === '' ? '' : ` (${text})`}`;
  if (condition === 'system-shutdown') return { code: condition, reason: said };
  const advice = Object.hasOwn(REFUSALS, condition) ? REFUSALS[condition as DisconnectReason] : undefined;
  if (advice === undefined) return { code: 'stream-error', reason: said };
  return { code: condition as DisconnectReason, reason: `${said}: ${advice}` };
}

export function xmlErrorEnding(error: XmlError, service: string, online: boolean): Ending {
  const advice = online ? '' : `; is ${service} its port for components?`;
  return { code: 'malformed', reason: `the server sent what is no XMPP stream: ${error.message}${advice}` };
}

/** Who connects to a port whose streams are in this namespace (RFC 6120, 4.8.2). */
const FOREIGN_STREAMS: Readonly<Record<string, string>> = {
  'jabber:client': 'clients (c2s)',
  'jabber:server': 'other servers (s2s)',
};

/** What is to be said of an ending before the handshake, by the namespace of the server's stream. */
export function endingOnPort(ending: Ending, namespace: string | undefined, service: string): Ending {
  const who = Object.hasOwn(FOREIGN_STREAMS, namespace ?? '') ? FOREIGN_STREAMS[namespace ?? ''] : undefined;
  if (who === undefined) return ending;
  const reason = `${service} is the server's port for ${who}, not for components: ${REFUSALS['wrong-port']}`;
  return { code: 'wrong-port', reason };
}

/** What to look at, by Node's error code. */
const ADVICE: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'is the server running, and is this its port for components?',
  ENOTFOUND: 'check the host name in component.service',
  EAI_AGAIN: 'the name service does not answer',
  ETIMEDOUT: 'check the network between here and there',
  EHOSTUNREACH: 'check the network between here and there',
  ENETUNREACH: 'check the network between here and there',
};

const TLS_ADVICE: Readonly<Record<string, string>> = {
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
  const failure = code === '' ? error.message : code;
  if (online) return { code: 'broken', reason: `the connection broke (${failure})` };
  const tlsAdvice = tlsAdviceOn(code);
  const advice = tlsAdvice ?? (Object.hasOwn(ADVICE, code) ? ADVICE[code] : undefined);
  const said = `cannot connect to ${service} (${failure})`;
  return {
    code: tlsAdvice !== undefined || /SSL|TLS/.test(code) ? 'tls-failed' : 'connect-failed',
    reason: advice === undefined ? said : `${said}: ${advice}`,
    ...(code !== '' && { errorCode: code }),
  };
}

function tlsAdviceOn(code: string): string | undefined {
  if (Object.hasOwn(TLS_ADVICE, code)) return TLS_ADVICE[code];
  return /CERT|ISSUER|SIGNATURE/.test(code) ? UNTRUSTED : undefined;
}

/** Of a connection that is not there in time. */
export function timeoutEnding(service: string, limitMs: number, isConnected: boolean): Ending {
  const how = isConnected
    ? 'took the connection but did not finish the handshake'
    : 'did not take the connection';
  return { code: 'handshake-timeout', reason: `${service} ${how} within ${seconds(limitMs)}` };
}

export function silentEnding(silentMs: number): Ending {
  return { code: 'silent', reason: `the server was silent for ${seconds(silentMs)}` };
}

/** `how`: what became of our ping. */
export function routeLostEnding(how: string): Ending {
  const reason = `route-lost: ${how}: the server keeps the connection but does not route to it what is for component.domain`;
  return { code: 'route-lost', reason };
}

export const CLOSED: Ending = { code: 'closed', reason: 'the server closed the connection' };
export const STREAM_CLOSED: Ending = { code: 'closed', reason: 'the server closed the stream' };
export const STOPPED: Ending = { code: 'stopped', reason: 'stopped' };

export function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}
