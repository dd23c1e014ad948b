import { BlockList, isIP, isIPv4 } from 'node:net';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** What the Host header may name. */
export interface OwnNames {
  /** As configured: an address or a name, without brackets. */
  readonly host: string;
  /** The address that the server listens on. */
  readonly address: string;
  /** Further names. */
  readonly hosts: readonly string[];
}

/**
 * Whether a Host header names this server. A page of another site that has its own name point to our address (DNS
 * rebinding) sends that name, and never an address: so addresses are as good as our names where anybody may connect.
 */
export function isOwnHost(header: string, { host, address, hosts }: OwnNames): boolean {
  const name = header
    .toLowerCase()
    .replace(/:\d+$/, '')
    .replace(/^\[(.*)\]$/, '$1');
  if ([host, address, ...hosts].some((own) => own.toLowerCase() === name)) return true;
  const isLocal = isLoopback(address);
  if (name === 'localhost') return isLocal || isWildcard(address);
  return !isLocal && isIP(name) !== 0;
}

function isLoopback(address: string): boolean {
  return loopback.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');
}

function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}
