import dns from 'node:dns';
import type { LookupFunction } from 'node:net';

type Callback = Parameters<LookupFunction>[2];

/**
 * Looks up the name of one receiver or server, once for all connections that ask meanwhile. Node has two threads for
 * look-ups. If a name server does not respond, a look-up for each connection would keep both busy. Other pools, and
 * the end of the process, would wait.
 */
export function sharedLookup(): LookupFunction {
  let waiting: Callback[] = [];
  return (hostname, options, callback) => {
    waiting.push(callback);
    if (waiting.length > 1) return;
    dns.lookup(hostname, options, (...found) => {
      const callbacks = waiting;
      waiting = [];
      for (const each of callbacks) each(...found);
    });
  };
}
