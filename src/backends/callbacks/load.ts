import type { CallbackModule } from '../../core/callback.ts';
import { callbackNames } from '../../core/callback-names.ts';
import type { Backend } from '../backend.ts';
import { defaultPayload } from '../payloads/index.ts';
import type { Payload } from '../payloads/payload.ts';
import { messageOf } from './load-failure.ts';

/** A module may read files or ask a service while it is loaded, but not for longer. */
const LOADING_LIMIT_MS = 10_000;

/** A backend as configured. */
export interface BackendSource {
  readonly name: string;
  readonly poolName: string;
  readonly path: string;
  /** URL of the callback module; none: the defaults alone. */
  readonly callbackModule?: string;
  /** Makes headers and body where no callback does; none: the default payload. */
  readonly payload?: Payload;
  readonly options: Readonly<Record<string, unknown>>;
}

/** A callback module that cannot be used, and why. */
export interface LoadFailure<Source> {
  readonly source: Source;
  readonly message: string;
}

/** Functions that a callback module exports although they are no callbacks: perhaps one is misspelt. */
export interface OtherFunctions<Source> {
  readonly source: Source;
  readonly names: readonly string[];
}

/** Loads a module, and ends the loading if it takes too long; `backend` is the index of its backend. */
export type LoadGuard = <T>(backend: number, load: () => Promise<T>) => Promise<T>;

interface LoadedBackends<Source> {
  readonly backends: Backend[];
  readonly failures: LoadFailure<Source>[];
  readonly others: OtherFunctions<Source>[];
}

/** Makes backends of their sources; all failures are found, not only the first. */
export async function loadBackends<Source extends BackendSource>(
  sources: readonly Source[],
  guard: LoadGuard = (_backend, load) => load(),
): Promise<LoadedBackends<Source>> {
  const backends: Backend[] = [];
  const failures: LoadFailure<Source>[] = [];
  const others: OtherFunctions<Source>[] = [];
  for (const [index, source] of sources.entries()) {
    const { name, poolName, path, callbackModule, payload = defaultPayload, options } = source;
    try {
      const { callbacks, otherFunctions } =
        callbackModule === undefined
          ? { callbacks: {}, otherFunctions: [] }
          : await guard(index, () => loadCallbackModule(callbackModule));
      // A copy for each backend: YAML's aliases would let two have the same objects.
      const ownOptions = structuredClone({ pool_name: poolName, path, ...options });
      backends.push({ name, poolName, path, callbacks, payload, options: ownOptions });
      others.push({ source, names: otherFunctions });
    } catch (error) {
      failures.push({ source, message: messageOf(error, callbackModule) });
    }
  }
  return { backends, failures, others };
}

/**
 * Imports a callback module, ES or CommonJS.
 * @throws Error saying what is wrong with the module.
 */
async function loadCallbackModule(
  fileUrl: string,
): Promise<{ callbacks: CallbackModule; otherFunctions: string[] }> {
  const exported = (await loadedInTime(import(fileUrl))) as Record<string, unknown>;
  const callbacks: CallbackModule = {};
  for (const name of callbackNames) Object.assign(callbacks, callbackOf(exported, name));
  if (Object.keys(callbacks).length === 0) {
    throw new Error(
      `it exports none of ${callbackNames.join(', ')}, neither by name nor in a default object`,
    );
  }
  return { callbacks, otherFunctions: otherFunctionsOf(exported) };
}

/** Without a limit, a module that waits for something that never comes would stop the start in silence. */
async function loadedInTime<T>(loading: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    const error = new Error(`it was not loaded within ${LOADING_LIMIT_MS / 1000} s: what does it wait for?`);
    timer = setTimeout(reject, LOADING_LIMIT_MS, error);
  });
  return Promise.race([loading, tooLate]).finally(() => clearTimeout(timer));
}

type Exports = Record<string, unknown> | null | undefined;

/** The objects that may hold the callbacks, in the order in which they are asked. */
function ownersIn(exported: Record<string, unknown>): Exports[] {
  // For CommonJS `default` is module.exports; compiled modules nest one more.
  const byDefault = exported['default'] as Exports;
  return [byDefault, byDefault?.['default'] as Exports, exported];
}

/** The callback of this name, bound to the object that holds it, so that `this` works. */
function callbackOf(exported: Record<string, unknown>, name: string): Record<string, unknown> {
  const owner = ownersIn(exported).find((candidate) => candidate?.[name] !== undefined);
  const callback = owner?.[name];
  if (callback === undefined) return {};
  if (typeof callback !== 'function') throw new Error(`its ${name} is not a function`);
  return { [name]: callback.bind(owner) };
}

/** The names of functions that are no callbacks, also of the class of an object. Getters are not called. */
function otherFunctionsOf(exported: Record<string, unknown>): string[] {
  const objects = ownersIn(exported)
    .map(Object)
    .flatMap((owner: object) => [owner, Object.getPrototypeOf(owner) as object | null]);
  const names = objects.flatMap((object) =>
    Object.entries(Object.getOwnPropertyDescriptors(object ?? {}))
      .filter(([, { value }]) => typeof value === 'function')
      .map(([name]) => name),
  );
  return [...new Set(names)].filter((name) => !callbackNames.some((callback) => callback === name));
}
