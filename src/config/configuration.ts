import type { RetryPolicy } from '../core/retry-policy.ts';
import type { ChosenEngine } from '../outbox/engines/index.ts';
import type { ProblemCode } from '../schema/problem-codes.ts';

/** Where something stands in a file; both count from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Something that an operator has to put right, or to look at: the table of codes says which. */
export interface Problem extends Position {
  /** The configuration file as the user gave it. */
  readonly file: string;
  readonly code: ProblemCode;
  /** What is wrong and what to do; never holds a secret. */
  readonly message: string;
}

/** The whole configuration: checked, complete, relative paths resolved. */
export interface Configuration {
  readonly component: ComponentConfiguration;
  readonly outgoingPools: readonly PoolConfiguration[];
  readonly backends: readonly BackendConfiguration[];
  readonly callbackTimeoutMs: number;
  /** How long code of a callback module may hold the main thread. */
  readonly callbackStallLimitMs: number;
  readonly outbox: OutboxConfiguration;
  readonly telemetry: TelemetryConfiguration;
  readonly log: { readonly level: LogLevel };
  /** How long a stop may take; 0: at once. */
  readonly shutdownTimeoutMs: number;
}

export interface ComponentConfiguration {
  /** `xmpp://HOST[:PORT]` or `xmpps://HOST[:PORT]`; an IPv6 address in brackets. */
  readonly service: string;
  /** Prepared (nameprep). */
  readonly domain: string;
  /** ASCII, not empty. */
  readonly secret: string;
  /** The file that it was read from, absolute. */
  readonly secretFile?: string;
  readonly trustedDomains: readonly string[];
  /** First asked first; at least one. */
  readonly taps: readonly ConfiguredTap[];
  /** Bytes. */
  readonly maxStanzaSize: number;
  /** Milliseconds. */
  readonly timeouts: { readonly handshake: number; readonly ping: number; readonly silence: number };
}

export type ConfiguredTap = 'forwarded' | 'service_log' | 'direct';
export type WhenFull = 'drop_newest' | 'drop_oldest';
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

export interface PoolConfiguration {
  /** `global`, `host` (one pool for each trusted domain) or a domain. */
  readonly scope: string;
  readonly tag: string;
  readonly workers: number;
  /** `http://…` or `https://…`, perhaps with a path; no credentials, query or fragment. */
  readonly server: string;
  readonly pathPrefix: string;
  readonly requestTimeoutMs: number;
  readonly maxConnectionAgeMs: number;
  readonly retry: RetryPolicy;
  readonly whenFull: WhenFull;
}

export interface BackendConfiguration {
  /** Unique among the backends. */
  readonly name: string;
  readonly poolName: string;
  /** '' if there is none. */
  readonly path: string;
  /** File URL of the callback module, which was readable when the configuration was loaded. */
  readonly callbackModule?: string;
  /** As configured, variables replaced. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Of the value of `callback_module`, or of the backend if it has none: where a failure to load belongs. */
  readonly position: Position;
}

export interface OutboxConfiguration {
  /** With its own options. */
  readonly engine: ChosenEngine;
  /** Most dead letters kept. */
  readonly deadLetterCapacity: number;
  /** Most notifications waiting, per pool. */
  readonly capacity: number;
  readonly whenFull: WhenFull;
}

export interface TelemetryConfiguration {
  /** Without brackets. */
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Names that the Host header of a request may have, beside the listen address. */
  readonly hosts: readonly string[];
}
