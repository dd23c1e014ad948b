import net, { type AddressInfo, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { onRawRequest } from '../support/receiver.ts';
import { ManualClock } from '../support/clock.ts';
import { LOOK_INTERVAL_MS } from '../../src/delivery/http/connections.ts';
import { notification } from '../support/notification.ts';
import { responseSeen, testPool, testRawReceiver, testReceiver } from './pool.ts';

const noContent = 'HTTP/1.1 204 No Content\r\n\r\n';
/** More than the buffers between the two ends take. */
const large = 'x'.repeat(32 * 1024 * 1024);
const webhookId = (request: string): string | undefined => /^webhook-id: (.*)$/m.exec(request)?.[1]?.trim();

describe('connections', () => {
  it('are kept alive: one after the other needs only one', async () => {
    const receiver = await testReceiver();
    const { pool } = testPool(receiver.url);
    for (let count = 0; count < 20; count += 1) await pool.post(notification());
    expect(receiver.requests).toHaveLength(20);
    expect(receiver.connections).toBe(1);
  });

  it('are kept alive whatever the response is', async () => {
    const statuses = [200, 301, 404, 410, 429, 500, 503];
    const receiver = await testReceiver({
      respond: ({ at }, response) => response.writeHead(statuses[at] ?? 204).end('some text'),
    });
    const { pool } = testPool(receiver.url);
    for (const _ of statuses) await pool.post(notification());
    expect(receiver.connections).toBe(1);
  });

  it('are never more than the workers, however much there is to send', async () => {
    const receiver = await testReceiver({
      respond: ({ at }, response) =>
        void setImmediate(() => response.writeHead(at % 5 === 0 ? 500 : 200).end()),
    });
    const { pool } = testPool(receiver.url, { workers: 3 });
    await Promise.all(Array.from({ length: 60 }, () => pool.post(notification())));
    expect(receiver.mostConnections).toBe(3);
    expect(receiver.connections).toBe(3);
  });

  it('carry one request at a time', async () => {
    let open = 0;
    let most = 0;
    const receiver = await testRawReceiver((socket) =>
      onRawRequest(socket, () => {
        open += 1;
        most = Math.max(most, open);
        setImmediate(() => {
          open -= 1;
          socket.write(noContent);
        });
      }),
    );
    const { pool } = testPool(receiver.url, { workers: 1 });
    await Promise.all(Array.from({ length: 20 }, () => pool.post(notification())));
    expect(most).toBe(1);
    expect(receiver.connections).toBe(1);
  });

  it('that the receiver wants closed are not used again', async () => {
    const receiver = await testReceiver({
      respond: (_request, response) => response.writeHead(204, { connection: 'close' }).end(),
    });
    const { pool, attempts } = testPool(receiver.url, { workers: 1 });
    await pool.post(notification());
    await pool.post(notification());
    expect(attempts.map(({ outcome }) => outcome)).toEqual(['2xx', '2xx']);
    expect(receiver.connections).toBe(2);
  });

  it('are free again after a response that came before the request was read: at the time limit', async () => {
    const clock = new ManualClock();
    const receiver = await testRawReceiver((socket, number) => {
      if (number > 0) onRawRequest(socket, () => socket.write(noContent));
      else {
        socket.once('data', () => {
          socket.pause();
          socket.write('HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n');
        });
      }
    });
    const { pool } = testPool(receiver.url, { clock, workers: 1 });
    void responseSeen(receiver.port).then(() => clock.advance(2000));
    const attempt = await pool.post(notification({ body: large }));
    expect(attempt).toMatchObject({ outcome: '4xx', status: 413 });
    expect(await pool.post(notification())).toMatchObject({ outcome: '2xx' });
  });

  it('end when they were idle from one look to the next, and not while they are used', async () => {
    const clock = new ManualClock();
    const ends: Promise<void>[] = [];
    const receiver = await testRawReceiver((socket) => {
      onRawRequest(socket, () => socket.write(noContent));
      ends.push(new Promise((resolve) => socket.on('end', resolve)));
    });
    const { pool } = testPool(receiver.url, { clock, workers: 2 });
    await Promise.all([pool.post(notification()), pool.post(notification())]);
    clock.advance(LOOK_INTERVAL_MS);
    await pool.post(notification());
    clock.advance(LOOK_INTERVAL_MS);
    await Promise.race(ends);
    await pool.post(notification());
    expect(receiver.connections, 'the one that was used is used again').toBe(2);
    clock.advance(LOOK_INTERVAL_MS);
    clock.advance(LOOK_INTERVAL_MS);
    await Promise.all(ends);
    clock.advance(LOOK_INTERVAL_MS);
    expect(clock.timers, 'nobody looks where nothing is').toBe(0);
    await pool.post(notification());
    expect(receiver.connections).toBe(3);
  });

  it('carry the whole request to a receiver that responds first and reads then', async () => {
    let bytes = 0;
    let atEnd: (() => void) | undefined;
    const end = new Promise<void>((resolve) => {
      atEnd = resolve;
    });
    const receiver = await testRawReceiver((socket) => {
      socket.on('close', () => atEnd?.());
      socket.on('data', (chunk) => {
        bytes += chunk.length;
        if (bytes > large.length) atEnd?.();
      });
      socket.once('data', () => {
        socket.pause();
        void responseSeen(receiver.port).then(() => socket.resume());
        socket.write('HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n');
      });
    });
    const { pool } = testPool(receiver.url, { workers: 1 });
    expect(await pool.post(notification({ body: large }))).toMatchObject({ outcome: '2xx' });
    await end;
    expect(bytes).toBeGreaterThan(large.length);
  });

  it('never take one response too many for the response to the next request', async () => {
    const receiver = await testRawReceiver((socket) =>
      onRawRequest(socket, () =>
        socket.write(`${noContent}HTTP/1.1 500 Forged\r\ncontent-length: 0\r\n\r\n`),
      ),
    );
    const { pool, attempts } = testPool(receiver.url, { workers: 1 });
    for (let count = 0; count < 3; count += 1) await pool.post(notification());
    expect(attempts.filter(({ status }) => status === 500)).toEqual([]);
  });
});

/** A TCP balancer: its connections go to the ports that it knows in turn. */
async function startBalancer(...ports: number[]) {
  const open = new Set<Socket>();
  let made = 0;
  const server = net.createServer((socket) => {
    const onward = net.connect(ports[made % ports.length]!, '127.0.0.1');
    made += 1;
    for (const [end, other] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      open.add(end);
      end.pipe(other);
      end.on('error', () => other.destroy());
      end.on('close', () => {
        open.delete(end);
        other.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    join: (port: number) => ports.push(port),
  };
}

describe('a request that waits for a connection while another one ends', () => {
  /** The second of three requests frees its connection for the third just when the first one's breaks. */
  async function third(second: string) {
    const asked: Socket[] = [];
    const receiver = await testRawReceiver((socket, number) =>
      onRawRequest(socket, () => {
        if (number === 2) return void socket.write(noContent);
        if (asked.includes(socket)) return void socket.resetAndDestroy();
        asked.push(socket);
        if (asked.length < 2) return;
        // Together, so that both are read before the broken connection is closed.
        asked[0]?.write('HTTP/1.1 200 OK\r\nno header\r\n\r\n');
        asked[1]?.write(second);
      }),
    );
    const { pool } = testPool(receiver.url, { workers: 2 });
    const before = [pool.post(notification()), pool.post(notification())];
    const last = pool.post(notification());
    await Promise.all(before);
    return { attempt: await last, receiver };
  }

  it('is not taken for delivered because the request before it was', async () => {
    expect((await third(noContent)).attempt).toMatchObject({ outcome: 'reset' });
  });

  it('gets a new connection if the one that comes free may not be used again', async () => {
    const { receiver } = await third(`what is this\r\n${noContent}`);
    expect(receiver.connections).toBe(3);
  });
});

describe('busy connections', () => {
  const SECOND_MS = 1000;

  it('are renewed, so that an instance which joins a balancer later gets its share', async () => {
    const clock = new ManualClock();
    const first = await testReceiver();
    const second = await testReceiver();
    const balancer = await startBalancer(first.port);
    const { pool, attempts } = testPool(balancer.url, { clock, workers: 4, random: Math.random });
    const postFor = async (seconds: number): Promise<void> => {
      for (let count = 0; count < seconds; count += 1) {
        await Promise.all(Array.from({ length: 4 }, () => pool.post(notification())));
        clock.advance(SECOND_MS);
      }
    };
    await postFor(10);
    balancer.join(second.port);
    await postFor(10);
    expect([first.requests.length, second.requests.length]).toEqual([80, 0]);
    await postFor(50);
    const before = second.requests.length;
    await postFor(20);
    expect(second.requests.length - before).toBeGreaterThanOrEqual(20);
    expect(attempts.filter(({ outcome }) => outcome !== '2xx')).toEqual([]);
    expect(first.connections + second.connections).toBeLessThanOrEqual(12);
  });

  it('end at max_connection_age or up to a quarter before, not all at one time', async () => {
    const clock = new ManualClock();
    const receiver = await testReceiver();
    const chances = [0, 0.5, 0.999];
    const { pool } = testPool(receiver.url, { clock, workers: 3, random: () => chances.shift() ?? 0 });
    const postAt = async (second: number): Promise<number> => {
      clock.advance(second * SECOND_MS - clock.monotonic());
      await Promise.all(Array.from({ length: 3 }, () => pool.post(notification())));
      // A connection's age is looked at when its response has come.
      return receiver.connections;
    };
    const seconds = Array.from({ length: 66 }, (_, second) => second);
    const made: number[] = [];
    for (const second of seconds) made.push(await postAt(second));
    const rises = seconds.filter((second) => second > 0 && made[second]! > made[second - 1]!);
    expect(made.at(-1)).toBe(6);
    expect(rises).toEqual([47, 54, 61]);
  });

  it('end after their request, not in it', async () => {
    const clock = new ManualClock();
    const receiver = await testReceiver({
      respond: ({ at }, response) => {
        if (at === 1) clock.advance(100_000);
        response.writeHead(204).end();
      },
    });
    const { pool, attempts } = testPool(receiver.url, { clock, workers: 1, requestTimeoutMs: 200_000 });
    for (let count = 0; count < 3; count += 1) await pool.post(notification());
    expect(attempts.map(({ outcome }) => outcome)).toEqual(['2xx', '2xx', '2xx']);
    expect(receiver.requests.map(({ connection }) => connection)).toEqual([0, 0, 1]);
  });
});

/** A receiver that responds to the first request of each connection except the last, and cuts at the second. */
async function staleReceiver(cut: (socket: Socket) => void, { isFreshStale = false } = {}) {
  const requests: { readonly connection: number; readonly request: string }[] = [];
  const receiver = await testRawReceiver((socket, connection) => {
    let isFirst = true;
    onRawRequest(socket, (request) => {
      requests.push({ connection, request });
      if (isFirst && !(isFreshStale && connection > 0)) socket.write(noContent);
      else cut(socket);
      isFirst = false;
    });
  });
  return { receiver, requests };
}

describe.each([
  { how: 'a reset', cut: (socket: Socket) => socket.resetAndDestroy() },
  { how: 'its end', cut: (socket: Socket) => socket.end() },
])('a kept connection that meets the request with $how', ({ cut }) => {
  it('costs one more POST at once, on a fresh connection, under the same webhook-id, and both are counted', async () => {
    const { receiver, requests } = await staleReceiver(cut);
    const { pool, attempts } = testPool(receiver.url, { workers: 1 });
    await pool.post(notification());
    const attempt = await pool.post(notification({ id: 'again' }));
    expect(attempt).toMatchObject({ outcome: '2xx', status: 204 });
    expect(attempts.map(({ outcome }) => outcome)).toEqual(['2xx', 'reset', '2xx']);
    expect(requests.map(({ connection }) => connection)).toEqual([0, 0, 1]);
    expect(requests.slice(1).map(({ request }) => webhookId(request))).toEqual(['again', 'again']);
    const [, stale, fresh] = requests.map(({ request }) => request.replace(/^Connection: .*\r\n/m, ''));
    expect(fresh).toBe(stale);
  });

  it('costs exactly one more, even if the fresh connection meets the same', async () => {
    const { receiver, requests } = await staleReceiver(cut, { isFreshStale: true });
    const { pool, attempts } = testPool(receiver.url, { workers: 1 });
    await pool.post(notification());
    const attempt = await pool.post(notification());
    expect(attempt).toMatchObject({ outcome: 'reset', errorCode: 'ECONNRESET' });
    expect(attempts.map(({ outcome }) => outcome)).toEqual(['2xx', 'reset', 'reset']);
    expect(requests).toHaveLength(3);
    expect(receiver.connections).toBe(2);
  });

  it('costs no more if it was new: the receiver may have taken the notification', async () => {
    const connections: number[] = [];
    const receiver = await testRawReceiver((socket, number) =>
      onRawRequest(socket, () => {
        connections.push(number);
        cut(socket);
      }),
    );
    const { pool, attempts } = testPool(receiver.url);
    expect(await pool.post(notification())).toMatchObject({ outcome: 'reset', errorCode: 'ECONNRESET' });
    expect(attempts.map(({ outcome }) => outcome)).toEqual(['reset']);
    expect(connections).toEqual([0]);
  });
});

describe('kept connections that are all stale', () => {
  it('cost one more POST, for it does not go out on another of them', async () => {
    let isIdle = false;
    const held: (() => void)[] = [];
    const connections: number[] = [];
    const receiver = await testRawReceiver((socket, number) =>
      onRawRequest(socket, () => {
        connections.push(number);
        if (isIdle && number < 2) socket.resetAndDestroy();
        else if (number < 2) held.push(() => socket.write(noContent));
        else socket.write(noContent);
        if (held.length === 2) for (const respond of held.splice(0)) respond();
      }),
    );
    const { pool, attempts } = testPool(receiver.url, { workers: 2 });
    await Promise.all([pool.post(notification()), pool.post(notification())]);
    isIdle = true;
    expect(await pool.post(notification())).toMatchObject({ outcome: '2xx' });
    expect(attempts.map(({ outcome }) => outcome)).toEqual(['2xx', '2xx', 'reset', '2xx']);
    expect(connections.at(-1)).toBe(2);
  });
});

describe('a pool that is closed', () => {
  it('ends what is in flight as a reset and sends it nowhere again', async () => {
    const requests: string[] = [];
    const reached: { second?: () => void } = {};
    const second = new Promise<void>((resolve) => {
      reached.second = resolve;
    });
    const receiver = await testRawReceiver((socket) =>
      onRawRequest(socket, (request) => {
        requests.push(request);
        if (requests.length === 1) socket.write(noContent);
        else reached.second?.();
      }),
    );
    const { pool, attempts } = testPool(receiver.url, { workers: 1 });
    await pool.post(notification());
    const inFlight = pool.post(notification());
    await second;
    pool.close();
    expect(await inFlight).toMatchObject({ outcome: 'reset' });
    expect(attempts.map(({ outcome }) => outcome)).toEqual(['2xx', 'reset']);
    expect(requests).toHaveLength(2);
  });
});
