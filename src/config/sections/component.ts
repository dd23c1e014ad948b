import { z } from 'zod';
import { hasCredentials, hasQueryOrFragment, parseUrl, preparedDomainForm } from '../../schema/forms.ts';
import { field, isSection, itemsOf } from '../../schema/raw.ts';
import { section } from '../../schema/section.ts';
import { distinct, milliseconds, text, wholeNumber } from '../../schema/values.ts';
import { tapNames } from '../../xmpp/taps/index.ts';
import type { Report } from '../reader/problems.ts';
import { secretFile, secretForm } from './secret-file.ts';

/** The keys. `component` replaces the secret file, which only the session needs, by one that is read. */
const keys = {
  service: text(serviceForm).describe(
    "The server's listener for components: xmpp://HOST:PORT, xmpps:// for TLS, an IPv6 address in brackets.",
  ),
  domain: text(preparedDomainForm).describe(
    "The component's domain, in lower case, as in the server's configuration.",
  ),
  secret: text(secretForm, 'invalid-secret')
    .exactOptional()
    .describe(
      "The component's secret in the server's configuration, in ASCII; set either this or secret_file.",
    ),
  secretFile: z.unknown().optional(),
  trustedDomains: distinct(z.array(text(preparedDomainForm)))
    .default([])
    .describe('Domains whose copies are trusted: the sender of the envelope must be exactly one of them.'),
  taps: distinct(z.array(z.enum(tapNames)).min(1))
    .default(['forwarded', 'direct'])
    .describe(
      `Kinds of envelopes that are read; each stanza goes to the first that fits: ${tapNames.join(', ')}.`,
    ),
  maxStanzaSize: wholeNumber(256, 268_435_456)
    .default(1_048_576)
    .describe('Maximum size of a stanza in bytes; larger stanzas are discarded and counted.'),
  timeouts: section({
    handshake: milliseconds(100)
      .default(10_000)
      .describe('Milliseconds from connecting until the server must have accepted the component.'),
    ping: milliseconds(100)
      .default(10_000)
      .describe(
        'Milliseconds between pings; after two without a response the sidecar reconnects, even if other data comes.',
      ),
    silence: milliseconds(100)
      .default(30_000)
      .describe('Milliseconds without any data from the server, after which the sidecar reconnects.'),
  })
    .prefault({})
    .describe('Time limits for the server.'),
};

/** The session with the XMPP server. */
export function component(folder: string) {
  const all = {
    ...keys,
    secretFile: secretFile(folder)
      .exactOptional()
      .describe(
        'A file that holds the secret; one newline at its end is not part of it. It is read at each connection.',
      ),
  };
  return section(all)
    .transform(({ secret, secretFile: read, ...rest }) => ({
      ...rest,
      // That there is neither is a problem which `checkComponent` tells.
      secret: secret ?? read?.secret ?? '',
      ...(read === undefined ? {} : { secretFile: read.path }),
    }))
    .describe('The session with the XMPP server (XEP-0114).');
}

/** `xmpp://HOST[:PORT]`, `xmpps://` for TLS. */
function serviceForm(text: string): string | undefined {
  const example = 'xmpp://127.0.0.1:5347 (xmpps:// for TLS; an IPv6 address in brackets)';
  const url = parseUrl(text, ['xmpp', 'xmpps'], example);
  if (typeof url === 'string') return url;
  if (url.hostname === '' || url.port === '0') return `must name a host, and a port above 0: ${example}`;
  if (hasCredentials(url)) return 'must not hold a user name or password: the secret has a key of its own';
  if (!['', '/'].includes(url.pathname) || hasQueryOrFragment(text)) {
    return `must end after the port: ${example}`;
  }
  return undefined;
}

const withoutFile = section(keys);

/** Checks what no single key shows, in the content as it came. */
export function checkComponent(content: unknown, report: Report): void {
  const given = field(content, 'component');
  checkSecretGivenOnce(given, report);
  // Neither the secret file nor a repetition in a list matters to the warnings.
  const checked = withoutFile.safeParse(withoutRepetitions(given));
  if (!checked.success) return;
  warnOfTrust(checked.data, report);
  warnOfOwnDomain(checked.data, given, report);
  warnOfTimeouts(checked.data, report);
}

function checkSecretGivenOnce(given: unknown, report: Report): void {
  if (!isSection(given)) return;
  const [key, other] = ['secret', 'secret_file'].filter((name) => name in given);
  if (other !== undefined) {
    report(['component', other], 'conflicting-keys', 'is given beside secret: keep one of the two', 'key');
  }
  if (key === undefined) {
    const message = 'is missing: give secret, as ${XMPP_COMPONENT_SECRET}, or secret_file';
    report(['component', 'secret'], 'missing-key', message);
  }
}

function withoutRepetitions(given: unknown): unknown {
  if (!isSection(given)) return given;
  const lists = Object.entries(given).filter((entry): entry is [string, unknown[]] =>
    Array.isArray(entry[1]),
  );
  return { ...given, ...Object.fromEntries(lists.map(([key, items]) => [key, [...new Set(items)]])) };
}

interface Trust {
  readonly taps: readonly string[];
  readonly trustedDomains: readonly string[];
}

/** Warns of taps that would discard all they are for. */
function warnOfTrust({ taps: asked, trustedDomains }: Trust, report: Report): void {
  const tap = asked.find((name) => name !== 'direct');
  if (tap === undefined || trustedDomains.length > 0) return;
  const message = `has no domain, so the tap ${tap} discards every copy: list the domains of your users`;
  report(['component', 'trusted_domains'], 'nobody-trusted', message);
}

/** Warns of a trusted domain that no copy comes from: the component's own. */
function warnOfOwnDomain({ domain }: { readonly domain: string }, given: unknown, report: Report): void {
  const index = itemsOf(given, 'trusted_domains').indexOf(domain);
  if (index === -1) return;
  const message =
    'is component.domain, which has no users and sends no copies: list the domains of your users only';
  report(['component', 'trusted_domains', index], 'own-domain-trusted', message);
}

interface Timeouts {
  readonly timeouts: { readonly ping: number; readonly silence: number };
}

/** Warns of a server that would be given up before it could respond to a ping. */
function warnOfTimeouts({ timeouts: { ping, silence } }: Timeouts, report: Report): void {
  if (silence > ping) return;
  const message = `is not more than ping (${ping}): a server that has nothing to say counts as dead; give twice as much or more`;
  report(['component', 'timeouts', 'silence'], 'short-silence', message);
}
