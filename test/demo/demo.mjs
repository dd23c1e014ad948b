// What `npm run demo` does: installs what is missing, lets two users of a real Prosody chat, and shows each message beside
// the notification that the sidecar made of it. Goes on until Ctrl-C; with DEMO_ONCE=1 it ends after three notifications.
// Exit code: 0 when it was ended by Ctrl-C, SIGTERM or SIGHUP, or has shown all that DEMO_ONCE=1 asks for; 1 otherwise.
// Plain JavaScript without dependencies, because in a fresh clone it runs before anything is installed.
import { EventEmitter, once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { ensureBuild } from '../bootstrap/build.mjs';
import { ensurePackages } from '../bootstrap/packages.mjs';
import { ensureServers } from '../servers/install.mjs';
import { canCompose, openComposeStage } from './compose-stage.mjs';
import { openLocalStage } from './local-stage.mjs';
import { bold, dim, showHeading, showPair } from './show.mjs';
import { XmppClient } from './xmpp-client.mjs';

const ENOUGH = 3;
const PAUSE_MS = 3000;
const PATIENCE_MS = 30_000;
const USERS = ['alice', 'bob'];
const PASSWORD = 'secret';
const CHAT = [
  'Hi Bob! Are you there?',
  'Yes, Alice. A notification told me so.',
  'Does it do é, & and =?',
  'Form-encoded, as MongooseIM does it.',
  'And when I am offline?',
  'Then the notification matters most.',
];

const isOnce = process.env.DEMO_ONCE === '1';
const ending = new AbortController();
const { signal } = ending;
const undone = [];
const notifications = new EventEmitter();

class Interrupted extends Error {}

const scene = {
  signal,
  parts: [],
  undo: (step) => undone.push(step),
  onFailure: (error) => ending.abort(error),
  onNotification: (notification) => notifications.emit('notification', notification),
  inTime,
};

/** Waits for all of the promises, but neither for ever nor when the demo is to end. */
async function inTime(part, promises) {
  const tooLate = new Promise((_, reject) => {
    setTimeout(() => reject(part.failure('is not ready in time')), PATIENCE_MS).unref();
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  return Promise.race([Promise.all(promises), tooLate]);
}

async function openStage() {
  const { prosody } = await ensureServers({ needed: ['prosody'], log: console.log });
  if (!('missing' in prosody)) {
    await ensurePackages(console.log);
    await ensureBuild(console.log);
    return openLocalStage(prosody, { users: USERS, password: PASSWORD, scene });
  }
  if (!(await canCompose())) {
    throw new Error(`${prosody.missing}\nNor is there a Docker engine with "docker compose" to run it in.`);
  }
  console.log(
    `${prosody.missing}\nSo it runs in containers; building them takes a few minutes the first time ...`,
  );
  return openComposeStage(scene);
}

async function play() {
  console.log(bold('xmpp-event-pusher: each chat message becomes an HTTP notification'));
  const stage = await openStage();
  console.log('');
  for (const [name, text] of stage.parts) console.log(`${name.padEnd(9)} ${text}`);
  showHeading();
  const clients = [];
  for (const user of USERS) clients.push(await logIn(user, stage));
  for (let number = 1; ; number += 1) {
    const [from, to] = number % 2 === 1 ? [0, 1] : [1, 0];
    const text = CHAT[(number - 1) % CHAT.length];
    await chat(text, {
      number,
      from: { name: USERS[from], client: clients[from] },
      to: { name: USERS[to], client: clients[to] },
    });
    if (number === ENOUGH) showWhereToLook(stage);
    if (number === ENOUGH && isOnce) return;
    if (!isOnce) await sleep(PAUSE_MS, undefined, { signal });
  }
}

async function logIn(user, { clientPort }) {
  const options = {
    host: '127.0.0.1',
    port: clientPort,
    domain: 'localhost',
    user,
    password: PASSWORD,
    signal,
  };
  const client = await XmppClient.login(options);
  undone.push(() => client.logOut());
  return client;
}

/** One message: shown when it has reached both the other user and the receiver. */
async function chat(text, { number, from, to }) {
  const tooLate = AbortSignal.timeout(PATIENCE_MS);
  const patience = AbortSignal.any([signal, tooLate]);
  const sentMs = performance.now();
  const arrivals = Promise.all([
    once(notifications, 'notification', { signal: patience }).then(([notification]) => ({
      notification,
      afterMs: performance.now() - sentMs,
    })),
    once(to.client, 'message', { signal: patience }),
  ]);
  from.client.chat(`${to.name}@localhost`, text);
  const [{ notification, afterMs }, [received]] = await arrivals.catch((error) => {
    if (!tooLate.aborted) throw error;
    const parts = scene.parts.map((part) => part.failure('is still there'));
    throw new Error(
      [`"${text}" did not become a notification in time.`, ...parts.map((part) => part.message)].join('\n'),
    );
  });
  const { author, message } = Object.fromEntries(new URLSearchParams(notification.body));
  if (received !== text || author !== from.name || message !== text) {
    throw new Error(`${from.name} wrote "${text}", but the notification says ${notification.body}`);
  }
  showPair({ number, from: from.name, to: to.name, text, afterMs }, notification);
}

function showWhereToLook({ metricsUrl }) {
  const places = [
    ['config/prosody/mod_event_pusher_tap.lua', 'the tap in Prosody'],
    ['test/demo/prosody.cfg.lua', "this Prosody's configuration"],
    ['test/demo/event-pusher.yaml', "this sidecar's configuration"],
    ['config/event-pusher.full.yaml', 'all that can be configured'],
    ['config/README.md', 'other taps, callback modules, metrics'],
    ...(isOnce ? [] : [[metricsUrl, 'what was counted (while this runs)']]),
  ];
  console.log(`\n${bold('Where to look next')}`);
  for (const [where, what] of places) console.log(`${where.padEnd(40)} ${dim(what)}`);
  if (!isOnce) console.log(`\n${dim('They chat until Ctrl-C.')}\n`);
}

async function cleanUp() {
  for (const undo of undone.toReversed()) await undo();
}

function interrupt(what) {
  ending.abort(new Interrupted(what));
}

for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, interrupt);
// Whoever reads our output may leave early, as `head` does.
process.stdout.on('error', interrupt);
try {
  await play();
} catch (error) {
  // What fails because we are ending is no failure of its own.
  const reason = signal.aborted ? signal.reason : error;
  const isInterrupted = reason instanceof Interrupted;
  if (!isInterrupted) console.error(`\nThe demo failed. ${reason.message}`);
  if (!isInterrupted || isOnce) process.exitCode = 1;
}
await cleanUp();
console.log('\nStopped; nothing was left behind.');
process.exit();
