import dns from 'node:dns';
import type { LookupFunction } from 'node:net';

type Callback = Parameters<LookupFunction>[2];

/**
 * Looks the name of one receiver or server up, once for all connections that ask meanwhile. Node has two threads for
 * look-ups: a name server that does not respond would have each connection wait for one of them, and other pools, and the
 * end of the process, behind these.
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
