// A process that POSTs the same form over and over through one of the clients that are compared.
import http from 'node:http';
import got from 'got';
import { openPool } from '../../../dist/delivery/http/pool.js';
import { systemClock } from '../../../dist/node/clock.js';
import { form, stampedForm } from '../stanzas.mjs';
import { answerParent } from './answer-parent.mjs';

const [kind, url, connections] = [process.argv[2], process.argv[3], Number(process.argv[4])];
const agent = new http.Agent({ keepAlive: true, maxSockets: connections, maxFreeSockets: connections });
const headers = { 'content-type': 'application/x-www-form-urlencoded' };
const { hostname, port } = new URL(url);

const clients = {
  /** The unit of all ratios: what anybody must do who POSTs with Node's own client. */
  bare: (body) =>
    new Promise((resolve, reject) => {
      const request = http.request(
        {
          hostname,
          port,
          method: 'POST',
          path: '/notifications',
          agent,
          headers: { ...headers, 'content-length': Buffer.byteLength(body) },
        },
        (answer) => answer.resume().on('end', resolve),
      );
      request.on('error', reject).end(body);
    }),
  got: (body) => got.post(`${url}/notifications`, { body, headers, agent: { http: agent } }),
  'got stream': (body) =>
    new Promise((resolve, reject) => {
      const stream = got.stream.post(`${url}/notifications`, { body, headers, agent: { http: agent } });
      stream.on('error', reject).on('end', resolve).resume();
    }),
  pool: () => pool.post(notification),
};
const pool = openPool(
  {
    server: url,
    pathPrefix: '/',
    workers: connections,
    requestTimeoutMs: 2000,
    maxConnectionAgeMs: 60_000,
    userAgent: 'bench',
  },
  { clock: systemClock, random: Math.random, observe: () => undefined },
);
const notification = {
  id: '01234567-89ab-cdef-0123-456789abcdef',
  backend: 'chats',
  pool: 'http_pool',
  sender: 'u0042@example.com',
  host: 'example.com',
  path: '/notifications',
  headers,
  body: form(42),
  acceptedAtMs: 0,
};
const post = clients[kind];

answerParent({
  /** So many POSTs, one after the other on each connection. */
  run: async ({ count }) => {
    const body = form(42);
    let left = count;
    const work = async () => {
      while (left > 0) {
        left -= 1;
        await post(body);
      }
    };
    const from = performance.now();
    await Promise.all(Array.from({ length: connections }, work));
    return { seconds: (performance.now() - from) / 1000 };
  },
  /** So many POSTs a second, each with the time of its making in it. */
  pace: async ({ perSecond, seconds }) => {
    const from = performance.now();
    const posts = [];
    while (posts.length < perSecond * seconds) {
      const due = ((performance.now() - from) / 1000) * perSecond;
      while (posts.length < due) posts.push(post(stampedForm(42)));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await Promise.all(posts);
    return { count: posts.length };
  },
});
