import { expect, onTestFinished, vi } from 'vitest';
import type { Stanza } from '../../src/core/event.ts';
import type { Observation, Observe } from '../../src/core/observation.ts';
import {
  openSession,
  type Session,
  type SessionHandlers,
  type SessionOptions,
} from '../../src/xmpp/session.ts';
import type { SessionPorts } from '../../src/xmpp/stream/connection.ts';
import { ManualClock } from './clock.ts';
import { waitFor, Watchers } from './wait.ts';
import { startXmppServer, type XmppPeer, type XmppServer } from './xmpp-server.ts';

const MOST_TOLD = 10;
const MEBIBYTE = 1024 * 1024;
export const DOMAIN = 'push.example.com';
export const TIMEOUTS = { handshake: 10_000, ping: 10_000, silence: 30_000 };

export type Offline = Extract<Observation, { kind: 'component-offline' }>;

/** A session under test, and all that it told. */
export class Subject {
  readonly clock = new ManualClock();
  readonly observations: Observation[] = [];
  readonly stanzas: Stanza[] = [];
  readonly sizes: number[] = [];
  tooLarge = 0;
  /** Called for every stanza. */
  onStanza: (stanza: Stanza) => unknown = () => undefined;
  readonly session: Session;
  readonly #watchers = new Watchers();

  /** @param handlers Get what the session gives them, after the subject. */
  constructor(
    options: Partial<SessionOptions> & Pick<SessionOptions, 'service'>,
    handlers?: (ports: Pick<SessionPorts, 'clock' | 'observe'>) => SessionHandlers,
  ) {
    const observe: Observe = (observation) => {
      this.observations.push(observation);
      this.#watchers.tell();
    };
    const inner = handlers?.({ clock: this.clock, observe });
    this.session = openSession(
      {
        domain: DOMAIN,
        readSecret: () => Promise.resolve('secret'),
        maxStanzaSize: MEBIBYTE,
        timeouts: TIMEOUTS,
        ...options,
      },
      {
        disco: inner?.disco ?? [],
        onStanza: (stanza, size) => {
          this.stanzas.push(stanza);
          this.sizes.push(size);
          this.#watchers.tell();
          return inner?.onStanza(stanza, size) ?? this.onStanza(stanza) === true;
        },
        onTooLarge: () => {
          this.tooLarge += 1;
          this.#watchers.tell();
        },
        onStreamStart: (stream) => inner?.onStreamStart(stream),
        onStreamEnd: () => inner?.onStreamEnd(),
      },
      {
        clock: this.clock,
        random: () => 0.5,
        version: '1.2.3',
        observe,
      },
    );
    this.session.start();
    onTestFinished(() => {
      const stopped = this.session.stop();
      this.clock.advance(2000);
      return stopped;
    });
  }

  /** @param what What the test waits for, for the report of a failure: completes "it waits for …". */
  async until(what: string, condition: () => boolean): Promise<void> {
    await this.#watchers.until(
      what,
      () => condition() || undefined,
      () => this.#story(),
    );
  }

  of<Kind extends Observation['kind']>(kind: Kind): Extract<Observation, { kind: Kind }>[] {
    return this.observations.filter((one): one is Extract<Observation, { kind: Kind }> => one.kind === kind);
  }

  /** Waits until the session has been online this many times. */
  async online(times = 1): Promise<void> {
    await this.until(
      `the session to be online, ${times} in all`,
      () => this.of('component-online').length >= times,
    );
  }

  /** Waits until the session has been offline this many times, and gives the last time. */
  async offline(times = 1): Promise<Offline> {
    await this.until(
      `the session to be offline, ${times} in all`,
      () => this.of('component-offline').length >= times,
    );
    return this.of('component-offline')[times - 1] as Offline;
  }

  async received(count: number): Promise<Stanza[]> {
    await this.until(`${count} stanzas`, () => this.stanzas.length >= count);
    return this.stanzas;
  }

  /** Resolves when the session has read something from its socket: it looks at the clock then. */
  nextRead(): Promise<void> {
    const now = this.clock.monotonic();
    const read = new Promise<void>((resolve) => {
      vi.spyOn(this.clock, 'monotonic').mockImplementationOnce(() => {
        resolve();
        return now;
      });
    });
    return waitFor('the session to read', read, () => this.#story());
  }

  /** The last that it told, for the report of a failure. */
  #story(): string {
    const last = this.observations.slice(-MOST_TOLD).map((observation) => JSON.stringify(observation));
    return [
      `${this.stanzas.length} stanzas; the last of ${this.observations.length} observations:`,
      ...last,
    ].join('\n');
  }
}

export interface Scene {
  readonly server: XmppServer;
  readonly subject: Subject;
  readonly peer: XmppPeer;
}

/** A session that is online. */
export async function online(options: Partial<SessionOptions> = {}): Promise<Scene> {
  const server = await startXmppServer({ routesPings: false });
  const subject = new Subject({ service: server.service, ...options });
  const peer = await server.welcome();
  await subject.online();
  return { server, subject, peer };
}

/** The session lost its connection: it comes back, and takes stanzas. */
export async function expectRecovery({
  server,
  subject,
}: Pick<Scene, 'server' | 'subject'>): Promise<Offline> {
  const offline = await subject.offline();
  expect(subject.session.connected).toBe(false);
  subject.clock.advance(offline.retryInMs ?? 0);
  await expectWorking(subject, await server.welcome());
  return offline;
}

/** The connection lives: what is written on it arrives. */
export async function expectWorking(subject: Subject, peer: XmppPeer): Promise<void> {
  const before = subject.stanzas.length;
  peer.write("<message id='still-here'/>");
  await subject.received(before + 1);
  expect(subject.stanzas.at(-1)?.attrs).toEqual({ id: 'still-here' });
  expect(subject.session.connected).toBe(true);
}
