import { type DisconnectReason, isDisconnectReason, refusalOf } from '../../core/disconnect-reasons.ts';
import type { Stanza } from '../../core/event.ts';
import type { XmlError } from '../xml/text.ts';

/** Why a connection ended. */
export interface Disconnect {
  readonly code: DisconnectReason;
  /** In words, for the operator: what happened and what to look at. */
  readonly reason: string;
  /** Node's code, if a socket could not be connected. */
  readonly errorCode?: string;
}

export const CLOSED: Disconnect = { code: 'closed', reason: 'the server closed the connection' };
export const STREAM_CLOSED: Disconnect = { code: 'closed', reason: 'the server closed the stream' };
export const STOPPED: Disconnect = { code: 'stopped', reason: 'stopped' };

/** Characters of a server's own text that are shown. */
const LONGEST_TEXT = 200;

/** After an element `<stream:error/>` (RFC 6120, 4.9). Its condition is the code if that is a refusal or a shutdown. */
export function afterStreamError(error: Stanza): Disconnect {
  const [first] = error.getChildElements();
  const condition = first?.getName() ?? 'no condition';
  const text = (error.getChildText('text') ?? '').slice(0, LONGEST_TEXT);
  const said = `the server ended the stream with ${condition}${text === '' ? '' : ` (${text})`}`;
  if (condition === 'system-shutdown') return { code: condition, reason: said };
  const advice = isDisconnectReason(condition) ? refusalOf(condition) : undefined;
  if (advice === undefined || !isDisconnectReason(condition)) return { code: 'stream-error', reason: said };
  return { code: condition, reason: `${said}: ${advice}` };
}

/** After input that is no XMPP stream; `online`: it came after the handshake. */
export function afterXmlError(error: XmlError, service: string, online: boolean): Disconnect {
  const advice = online ? '' : `; is ${service} its port for components?`;
  return {
    code: 'malformed',
    reason: `the server sent something that is not an XMPP stream: ${error.message}${advice}`,
  };
}

/** Who connects to a port whose streams are in this namespace (RFC 6120, 4.8.2). */
const FOREIGN_STREAMS = new Map([
  ['jabber:client', 'clients (c2s)'],
  ['jabber:server', 'other servers (s2s)'],
]);

/** The better explanation of a disconnect before the handshake, if the server's stream is in another namespace. */
export function explainedByPort(
  disconnect: Disconnect,
  namespace: string | undefined,
  service: string,
): Disconnect {
  const who = FOREIGN_STREAMS.get(namespace ?? '');
  if (who === undefined) return disconnect;
  const reason = `${service} is the server's port for ${who}, not for components: ${refusalOf('wrong-port')}`;
  return { code: 'wrong-port', reason };
}

/** What to look at, by Node's error code. */
const SOCKET_ADVICE = new Map([
  ['ECONNREFUSED', 'is the server running, and is this its port for components?'],
  ['ENOTFOUND', 'check the host name in component.service'],
  ['EAI_AGAIN', 'the name service does not respond'],
  ['ETIMEDOUT', 'check the network between the sidecar and the server'],
  ['EHOSTUNREACH', 'check the network between the sidecar and the server'],
  ['ENETUNREACH', 'check the network between the sidecar and the server'],
]);

const TLS_ADVICE = new Map([
  [
    'ERR_SSL_WRONG_VERSION_NUMBER',
    'does the server speak TLS on this port? without TLS component.service begins with xmpp://',
  ],
  [
    'ERR_TLS_CERT_ALTNAME_INVALID',
    'the certificate is for another name: check the host name in component.service',
  ],
]);

const UNTRUSTED_ADVICE =
  'the certificate is not trusted: give its authority in the environment variable NODE_EXTRA_CA_CERTS';

/** After an error of the socket; `online`: it came after the handshake. */
export function afterSocketError(error: NodeJS.ErrnoException, service: string, online: boolean): Disconnect {
  const code = error.code ?? '';
  const failure = code === '' ? error.message : code;
  if (online) return { code: 'broken', reason: `the connection broke (${failure})` };
  const tlsAdvice = tlsAdviceOn(code);
  const advice = tlsAdvice ?? SOCKET_ADVICE.get(code);
  const said = `cannot connect to ${service} (${failure})`;
  return {
    code: tlsAdvice !== undefined || /SSL|TLS/.test(code) ? 'tls-failed' : 'connect-failed',
    reason: advice === undefined ? said : `${said}: ${advice}`,
    ...(code !== '' && { errorCode: code }),
  };
}

function tlsAdviceOn(code: string): string | undefined {
  return TLS_ADVICE.get(code) ?? (/CERT|ISSUER|SIGNATURE/.test(code) ? UNTRUSTED_ADVICE : undefined);
}

/** After a handshake that was not finished in time; `connected`: the socket was. */
export function afterTimeout(service: string, limitMs: number, connected: boolean): Disconnect {
  const how = connected
    ? 'accepted the connection but did not finish the handshake'
    : 'did not accept the connection';
  return { code: 'handshake-timeout', reason: `${service} ${how} within ${seconds(limitMs)}` };
}

export function afterSilence(silentMs: number): Disconnect {
  return { code: 'silent', reason: `the server was silent for ${seconds(silentMs)}` };
}

/** @param how What became of our ping. */
export function afterLostRoute(how: string): Disconnect {
  const reason = `route-lost: ${how}: the server keeps the connection but does not route to it what is for component.domain`;
  return { code: 'route-lost', reason };
}

/** Milliseconds as an operator reads them. */
export function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}
