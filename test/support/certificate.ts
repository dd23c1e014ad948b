import { generateKeyPairSync, sign } from 'node:crypto';
import { isIP } from 'node:net';

export interface Certificate {
  /** The private key, PEM. */
  readonly key: string;
  /** The certificate, PEM; it is its own authority. */
  readonly cert: string;
}

export interface CertificateOptions {
  /** Domain or IPv4 address that it is good for. */
  readonly name: string;
  /** Default: a day from now. */
  readonly notAfter?: Date;
}

/** Makes a throw-away self-signed certificate (RFC 5280), with nothing but Node: not every machine has openssl. */
export function makeCertificate({ name, notAfter }: CertificateOptions): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const dayMs = 86_400_000;
  const until = notAfter ?? new Date(Date.now() + dayMs);
  const subject = sequence(set(sequence(COMMON_NAME, text(name))));
  const toBeSigned = sequence(
    element(0xa0, integer(2)),
    integer(1),
    sequence(ECDSA_WITH_SHA256),
    subject,
    sequence(time(new Date(until.getTime() - 2 * dayMs)), time(until)),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    element(
      0xa3,
      sequence(sequence(SUBJECT_ALTERNATIVE_NAME, element(0x04, sequence(alternativeName(name))))),
    ),
  );
  const signature = sign('sha256', toBeSigned, privateKey);
  const der = sequence(toBeSigned, sequence(ECDSA_WITH_SHA256), element(0x03, Buffer.from([0]), signature));
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    cert: `-----BEGIN CERTIFICATE-----\n${der.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`,
  };
}

/** DER (ITU-T X.690): type, length, content. */
function element(type: number, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  const lengthBytes =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([type, ...lengthBytes]), content]);
}

const sequence = (...contents: readonly Buffer[]): Buffer => element(0x30, ...contents);
const set = (...contents: readonly Buffer[]): Buffer => element(0x31, ...contents);
const integer = (value: number): Buffer => element(0x02, Buffer.from([value]));
const text = (value: string): Buffer => element(0x0c, Buffer.from(value));
const objectId = (...bytes: readonly number[]): Buffer => element(0x06, Buffer.from(bytes));

const ECDSA_WITH_SHA256 = objectId(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02);
const COMMON_NAME = objectId(0x55, 0x04, 0x03);
const SUBJECT_ALTERNATIVE_NAME = objectId(0x55, 0x1d, 0x11);

/** UTCTime: the year has two digits. */
function time(date: Date): Buffer {
  const digits = date.toISOString().slice(2, 19).replaceAll(/\D/g, '');
  return element(0x17, Buffer.from(`${digits}Z`));
}

function alternativeName(name: string): Buffer {
  if (isIP(name) === 4) return element(0x87, Buffer.from(name.split('.').map(Number)));
  return element(0x82, Buffer.from(name));
}
