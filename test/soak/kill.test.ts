import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { parseMetrics, sumOf } from '../support/ledger.ts';
import { type Content, readFolder, temporaryFolder } from '../support/outbox-folder.ts';
import { seededRandom } from '../support/random.ts';
import { startXmppServer, type XmppServer } from '../support/xmpp-server.ts';
import { type FlakyReceiver, type Receipt, startFlakyReceiver } from './flaky-receiver.ts';
import { type SidecarProcess, startSidecarProcess } from './sidecar-process.ts';

/*
 * How it is known from outside what was accepted, since XEP-0114 has no acknowledgements:
 *  - The sidecar logs the id of each notification (level trace) after its put has resolved, that is after the flush. Its
 *    stdout is a pipe, to which Node writes synchronously: a line is with us however the sidecar dies. So all ids in the
 *    log must be there. This is the promise as such, one by one.
 *  - Between kill and restart a copy of the folder is read: notifications, dead letters, ledger. What the ledger calls
 *    accepted must be, one for one, what was received, is dead, or is stored: this finds what was lost without a line.
 *  - One sender's messages are accepted in the order in which they were sent. So what was accepted in a round must be
 *    the first of each sender's, without gaps: this finds what was lost before it came to the ledger.
 */

const ROUNDS = Number(process.env['SOAK_ROUNDS'] ?? 25);
const SEED = Number(process.env['SOAK_SEED'] ?? 20_261_124);
const WORKERS = 20;
const SENDERS = 40;
const REQUEST_TIMEOUT_MS = 1500;
/** Log lines of these mean that something went wrong that a kill does not excuse. */
const NEVER_LOGGED = [
  'ledger-mismatched',
  'outbox-orphaned',
  'outbox-unwritable',
  'internal-error',
  'notification-dropped',
];

/** A message that was written to the component's connection. */
interface Sent {
  readonly sender: number;
  readonly round: number;
}

class Soak {
  readonly sent: Sent[] = [];
  /** By webhook-id: that it was logged as accepted. */
  readonly accepted = new Set<string>();
  /** For each kill, what was on disk then. */
  readonly contents: Content[] = [];
  readonly folder = temporaryFolder();
  readonly #random = seededRandom(SEED);
  readonly #receiver: FlakyReceiver;
  readonly #file: string;
  #round = 0;

  constructor(receiver: FlakyReceiver) {
    this.#receiver = receiver;
    const home = mkdtempSync(join(tmpdir(), 'soak-'));
    onTestFinished(() => rmSync(home, { recursive: true, force: true }));
    this.#file = join(home, 'event-pusher.yaml');
  }

  /** Starts the sidecar, sends it messages, and kills it at some moment. */
  async round(): Promise<void> {
    const { sidecar, server } = await this.#start();
    const isEarly = this.#random(5) === 0;
    if (isEarly) await sleep(this.#random(500));
    else await this.#feed(sidecar, server);
    await sidecar.end('SIGKILL');
    await server.stop();
    this.#note(sidecar);
    // A copy, so that nothing that is read here can mend or harm what the next round finds.
    const copy = mkdtempSync(join(tmpdir(), 'soak-copy-'));
    cpSync(join(this.folder, 'data.mdb'), join(copy, 'data.mdb'));
    this.contents.push(await readFolder(copy));
    rmSync(copy, { recursive: true });
    this.#round += 1;
  }

  /** Starts it once more with a receiver that accepts, and stops it when it has nothing left. */
  async end(): Promise<void> {
    this.#receiver.tame();
    const { sidecar, server } = await this.#start();
    const [port] = await Promise.all([sidecar.telemetry, server.welcome()]);
    for (let left = 1; left > 0;) {
      const samples = await scrape(port);
      left = sumOf(samples, 'event_pusher_outbox_depth') + sumOf(samples, 'event_pusher_in_flight');
      if (left > 0) await sleep(50);
    }
    expect(await sidecar.end('SIGTERM')).toBe(0);
    this.#note(sidecar);
    this.contents.push(await readFolder(this.folder));
  }

  /** The server is a new one each time, so that no connection of a killed sidecar waits there. */
  async #start(): Promise<{ sidecar: SidecarProcess; server: XmppServer }> {
    const server = await startXmppServer();
    writeFileSync(this.#file, JSON.stringify(this.#configuration(server)));
    return { sidecar: startSidecarProcess(this.#file), server };
  }

  /** Sends bursts for up to a second; in half of the rounds the kill follows on a scrape at once. */
  async #feed(sidecar: SidecarProcess, server: XmppServer): Promise<void> {
    // Together, because one that has ended will never come to the server.
    const [port, peer] = await Promise.all([sidecar.telemetry, server.welcome()]);
    // So that the backlog, which is read at each kill, does not grow with the rounds.
    const isBehind = (this.contents.at(-1)?.stored.length ?? 0) > 3000;
    const bursts = 1 + this.#random(12);
    for (let burst = 0; burst < bursts; burst += 1) {
      const size = 1 + this.#random(isBehind ? 10 : 150);
      await peer.flush(Array.from({ length: size }, () => this.#message()).join(''));
      await sleep(this.#random(100));
    }
    if (this.#random(2) === 0) await scrape(port);
  }

  #message(): string {
    const number = this.sent.length;
    const sender = this.#random(SENDERS);
    this.sent.push({ sender, round: this.#round });
    return (
      `<message from='sender${sender}@localhost/home' to='bot@push.example.com' type='chat'>` +
      `<body>${number}</body></message>`
    );
  }

  #note(sidecar: SidecarProcess): void {
    expect(sidecar.complaints).toBe('');
    for (const event of NEVER_LOGGED) expect(sidecar.count(event), event).toBe(0);
    for (const id of sidecar.idsOf('notification-accepted')) {
      expect(this.accepted.has(id), `${id} was accepted twice`).toBe(false);
      this.accepted.add(id);
    }
  }

  #configuration(server: XmppServer): object {
    return {
      component: {
        service: server.service,
        domain: 'push.example.com',
        secret: 'secret',
        trusted_domains: ['localhost'],
        taps: ['direct'],
      },
      outgoing_pools: [
        {
          type: 'http',
          tag: 'http_pool',
          server: this.#receiver.url,
          path_prefix: `/round-${this.#round}/`,
          workers: WORKERS,
          request_timeout: REQUEST_TIMEOUT_MS,
          retry: { first_delay: 50, max_delay: 400 },
        },
      ],
      mod_event_pusher: { backends: [{ http: { pool_name: 'http_pool' } }] },
      outbox: { engine: 'lmdb', options: { path: this.folder }, dead_letters: 1_000_000 },
      telemetry: { listen: '127.0.0.1:0' },
      log: { level: 'trace' },
    };
  }
}

async function scrape(port: number) {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  return parseMetrics(await response.text());
}

/** Asserts the oracle on what one kill (or the end) has left: `content` is that of the disk after round `round`. */
function checkRound(round: number, content: Content, receipts: readonly Receipt[]): void {
  const { stored, letters, ledger } = content;
  const dead = letters.map(({ notification: { id } }) => id);
  const received = new Set(receipts.filter((receipt) => receipt.round <= round).map(({ id }) => id));
  const known = new Set([...received, ...dead, ...stored]);
  expect(new Set(stored).size).toBe(stored.length);
  expect(new Set(dead).size).toBe(dead.length);
  expect(new Set([...stored, ...dead]).size, 'stored or dead, not both').toBe(stored.length + dead.length);
  expect(ledger.dropped).toBe(0);
  expect(ledger.dead).toBe(dead.length);
  expect(ledger.accepted).toBe(ledger.delivered + ledger.dead + stored.length);
  expect(known.size, 'received, dead or stored = accepted').toBe(ledger.accepted);

  // What was answered and is still stored was being written at the kill: of each worker eight, and the one on its way.
  const left = new Set(stored);
  const unwritten = new Set(
    receipts
      .filter((receipt) => receipt.round === round && isFinal(receipt.status) && left.has(receipt.id))
      .map(({ id }) => id),
  );
  expect(unwritten.size).toBeLessThanOrEqual(9 * WORKERS);
}

function isFinal(status: number | undefined): boolean {
  return status !== undefined && (status < 300 || status === 410);
}

/** Asserts that each request beyond a notification's first has its reason; gives how many there were of each. */
function checkDuplicates(receipts: readonly Receipt[], contents: readonly Content[]) {
  const latest = new Map<string, Receipt>();
  const storedAt = contents.map(({ stored }) => new Set(stored));
  const counts = { retried: 0, again: 0 };
  for (const receipt of receipts) {
    const { id } = receipt;
    const before = latest.get(id);
    latest.set(id, receipt);
    if (before === undefined) continue;
    expect(receipt.number, `${id} is of one message`).toBe(before.number);
    if (receipt.round > before.round) {
      // Every kill in between must have left it on the disk, or else it was delivered from nowhere.
      for (let kill = before.round; kill < receipt.round; kill += 1) {
        expect(storedAt[kill]!.has(id), `${id} came again after kill ${kill}`).toBe(true);
      }
      counts.again += 1;
    } else {
      // An answer that did not come in time counts as none; then the time limit has passed between the two.
      const isOverdue = receipt.atMs - before.atMs >= REQUEST_TIMEOUT_MS;
      expect(isFinal(before.status) && !isOverdue, `${id} came again after its end`).toBe(false);
      counts.retried += 1;
    }
  }
  return counts;
}

/** Asserts that of each sender and round the first messages were accepted, without gaps. */
function checkNoGaps(numbers: ReadonlySet<number>, sent: readonly Sent[]): void {
  const missing = new Map<string, number>();
  for (const [number, { sender, round }] of sent.entries()) {
    const key = `sender ${sender} in round ${round}`;
    if (!numbers.has(number)) missing.set(key, missing.get(key) ?? number);
    else expect(missing.get(key), `lost of ${key}`).toBeUndefined();
  }
}

it(
  `loses and invents nothing over ${ROUNDS} kills with a flaky receiver`,
  async () => {
    const receiver = await startFlakyReceiver(SEED);
    const soak = new Soak(receiver);
    for (let round = 0; round < ROUNDS; round += 1) await soak.round();
    await soak.end();

    const { receipts } = receiver;
    for (const [round, content] of soak.contents.entries()) checkRound(round, content, receipts);
    const duplicates = checkDuplicates(receipts, soak.contents);
    const { stored, letters, ledger } = soak.contents.at(-1)!;
    const received = new Set(receipts.map(({ id }) => id));
    const dead = letters.map(({ notification: { id } }) => id);
    const ends = new Set([...received, ...dead, ...stored]);
    expect([...soak.accepted].filter((id) => !ends.has(id))).toEqual([]);
    expect(stored).toEqual([]);
    // All that was refused for good is dead, and nothing else is.
    const refused = new Set(receipts.filter(({ status }) => status === 410).map(({ id }) => id));
    expect(new Set(dead)).toEqual(refused);
    // Nothing but what was sent, and no message under two ids.
    const numbers = new Set(receipts.map(({ number }) => number));
    expect([...numbers].filter((number) => soak.sent[number] === undefined)).toEqual([]);
    expect(numbers.size).toBe(received.size);
    checkNoGaps(numbers, soak.sent);
    console.log(
      `kills: ${ROUNDS}, sent: ${soak.sent.length}, accepted: ${ledger.accepted} ` +
        `(logged in time: ${soak.accepted.size}), received: ${received.size}, delivered: ${ledger.delivered}, ` +
        `dead: ${ledger.dead}, stored: ${stored.length}, most stored at a kill: ` +
        `${Math.max(...soak.contents.map((content) => content.stored.length))}, requests: ${receipts.length}, ` +
        `repeated after a failed attempt: ${duplicates.retried}, after a kill: ${duplicates.again}`,
    );
  },
  60_000 + ROUNDS * 10_000,
);
