import type { Attempt, Outcome } from '../core/delivery.ts';

/** What to look at, by Node's error code, where the code says more than the outcome. */
export const adviceByCode: Readonly<Record<string, string>> = {
  EAI_AGAIN: 'the name service does not respond',
  EHOSTUNREACH: 'check the network between here and the receiver',
  ENETUNREACH: 'check the network between here and the receiver',
  NOT_HTTP: 'does the receiver speak HTTP on this port?',
  EPROTO: "does the receiver speak TLS on this port? without TLS the pool's server begins with http://",
  ERR_TLS_CERT_ALTNAME_INVALID:
    "the certificate is for another name: check the host name in the pool's server",
  CERT_HAS_EXPIRED: 'the certificate has expired: renew it at the receiver',
  CERT_NOT_YET_VALID: 'the certificate is not valid yet: check the clocks here and at the receiver',
};

/** What to look at, by the outcome of an attempt. */
export const adviceByOutcome: Readonly<Partial<Record<Outcome, string>>> = {
  refused: 'is the receiver running, and is this its port?',
  dns: "check the host name in the pool's server",
  timeout:
    'no response within request_timeout: is the receiver overloaded, does a firewall drop packets, does the name service respond?',
  tls: 'the certificate is not trusted: name the file of its authority in the environment variable NODE_EXTRA_CA_CERTS',
  reset:
    'the receiver closed the connection without a response: does it speak http:// or https:// on this port?',
};

/** What an operator should look at after an attempt without a response; undefined where nothing general can be said. */
export function adviceOn({ outcome, errorCode = '' }: Attempt): string | undefined {
  return Object.hasOwn(adviceByCode, errorCode) ? adviceByCode[errorCode] : adviceByOutcome[outcome];
}
