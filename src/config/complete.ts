import { resolve } from 'node:path';
import type {
  BackendConfiguration,
  ComponentConfiguration,
  Configuration,
  OutboxConfiguration,
  Position,
} from './configuration.ts';
import { engines } from '../outbox/engines/index.ts';
import type { CheckedFile } from './schema.ts';
import { retryPolicy } from './schema-retry.ts';

/** What the file only names: read and found beforehand. */
export interface Surroundings {
  /** That of the file, absolute: relative paths begin there. */
  readonly folder: string;
  /** From the secret file. */
  readonly secret: string | undefined;
  /** For each backend, the file URL of its callback module. */
  readonly callbackModules: readonly (string | undefined)[];
  /** For each backend, where its callback module (or the backend) stands. */
  readonly positions: readonly Position[];
}

/** Joins a checked file with what it names, and fills in what one section takes from another. */
export function completeConfiguration(file: CheckedFile, surroundings: Surroundings): Configuration {
  const { outgoing_pools: pools, mod_event_pusher: pusher, retry } = file;
  return {
    component: completeComponent(file.component, surroundings),
    outgoingPools: pools.map((pool) => ({
      ...pool,
      retry: retryPolicy(retry, pool.retry),
      whenFull: pool.whenFull ?? file.outbox.whenFull,
    })),
    backends: completeBackends(
      pusher.backends.map(({ http }) => http),
      surroundings,
    ),
    callbackTimeoutMs: pusher.callback_timeout,
    callbackStallLimitMs: pusher.callback_stall_limit,
    outbox: completeOutbox(file.outbox, surroundings.folder),
    telemetry: file.telemetry,
    log: file.log,
    shutdownTimeoutMs: file.shutdown_timeout,
  };
}

function completeComponent(
  { secret, secretFile, ...component }: CheckedFile['component'],
  surroundings: Surroundings,
): ComponentConfiguration {
  return {
    ...component,
    secret: secret ?? surroundings.secret ?? '',
    ...(secretFile === undefined ? {} : { secretFile: resolve(surroundings.folder, secretFile) }),
  };
}

/** The section `outbox`, paths resolved from `folder`, that of the file. */
export function completeOutbox(
  { engine, path, ...outbox }: CheckedFile['outbox'],
  folder: string,
): OutboxConfiguration {
  return { ...outbox, engine: engines[engine].schema(folder).parse({ path }) };
}

type CheckedBackend = CheckedFile['mod_event_pusher']['backends'][number]['http'];

function completeBackends(
  backends: readonly CheckedBackend[],
  { callbackModules, positions }: Surroundings,
): BackendConfiguration[] {
  const taken = new Set(backends.map(({ name }) => name));
  return backends.map((backend, index) => {
    const { poolName, path, options } = backend;
    const name = backend.name ?? freeName(defaultName(poolName, path), taken);
    taken.add(name);
    const callbackModule = callbackModules[index];
    const position = positions[index] ?? { line: 1, column: 1 };
    return {
      name,
      poolName,
      path,
      options,
      position,
      ...(callbackModule === undefined ? {} : { callbackModule }),
    };
  });
}

/** Without the query of the path, which may hold a key that neither logs nor metrics should show. */
function defaultName(poolName: string, path: string): string {
  return poolName + path.replace(/\?.*$/, '');
}

/** The wanted name, or the first of `wanted#2`, `wanted#3`, … that nobody has. */
function freeName(wanted: string, taken: ReadonlySet<string | undefined>): string {
  let name = wanted;
  for (let number = 2; taken.has(name); number += 1) name = `${wanted}#${number}`;
  return name;
}
