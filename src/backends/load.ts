import { fileURLToPath } from 'node:url';
import type { CallbackModule, CompleteCallbackModule } from '../core/callback.ts';
import { callbackNames } from '../core/observation.ts';
import { defaultCallback } from './default-callback.ts';
import type { Backend } from './request.ts';
import { syntaxErrorMessage } from './syntax-error.ts';

/** A module may read files or ask a service while it is loaded, but not for longer. */
const LOADING_LIMIT_MS = 10_000;

/** A backend as configured. */
export interface BackendSource {
  readonly name: string;
  readonly poolName: string;
  readonly path: string;
  /** URL of the callback module; none: the default callback. */
  readonly callbackModule?: string;
  readonly options: Readonly<Record<string, unknown>>;
}

/** A callback module that cannot be used, and why. */
export interface LoadFailure<Source> {
  readonly source: Source;
  readonly message: string;
}

/** Functions that a callback module exports and that are no callbacks: perhaps one is misspelt. */
export interface OtherFunctions<Source> {
  readonly source: Source;
  readonly names: readonly string[];
}

/** Sees that a module which is being loaded ends or is ended; `backend` is the index of its backend. */
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
    const { name, poolName, path, callbackModule, options } = source;
    try {
      const { callback, otherFunctions } =
        callbackModule === undefined
          ? { callback: defaultCallback, otherFunctions: [] }
          : await guard(index, () => loadCallbackModule(callbackModule));
      // A copy for each backend: YAML's aliases would let two have the same objects.
      const ownOptions = structuredClone({ pool_name: poolName, path, ...options });
      backends.push({ name, poolName, path, callback, options: ownOptions });
      others.push({ source, names: otherFunctions });
    } catch (error) {
      failures.push({ source, message: messageOf(error, callbackModule) });
    }
  }
  return { backends, failures, others };
}

/**
 * Imports a callback module, ES or CommonJS, and fills what it lacks with the defaults.
 * @throws Error saying what is wrong with the module.
 */
async function loadCallbackModule(
  fileUrl: string,
): Promise<{ callback: CompleteCallbackModule; otherFunctions: string[] }> {
  const exported = (await withinLimit(import(fileUrl))) as Record<string, unknown>;
  const found: CallbackModule = {};
  for (const name of callbackNames) Object.assign(found, callbackOf(exported, name));
  if (Object.keys(found).length === 0) {
    throw new Error(
      `it exports none of ${callbackNames.join(', ')}, neither by name nor in a default object`,
    );
  }
  return { callback: { ...defaultCallback, ...found }, otherFunctions: otherFunctionsOf(exported) };
}

/** Else a module that waits for what never comes would keep the process from starting without a word. */
async function withinLimit<T>(loading: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    const error = new Error(`it was not loaded within ${LOADING_LIMIT_MS / 1000} s: what does it wait for?`);
    timer = setTimeout(reject, LOADING_LIMIT_MS, error);
  });
  return Promise.race([loading, tooLate]).finally(() => clearTimeout(timer));
}

type Exports = Record<string, unknown> | null | undefined;

/** What may hold the callbacks, first asked first. */
function ownersIn(exported: Record<string, unknown>): Exports[] {
  // The exports of a CommonJS module are its default, and a compiler puts a default export into these.
  const byDefault = exported['default'] as Exports;
  return [byDefault, byDefault?.['default'] as Exports, exported];
}

/** Bound to the object that the author wrote it in, so that `this` is what it seems. */
function callbackOf(exported: Record<string, unknown>, name: string): Record<string, unknown> {
  const owner = ownersIn(exported).find((candidate) => candidate?.[name] !== undefined);
  const callback = owner?.[name];
  if (callback === undefined) return {};
  if (typeof callback !== 'function') throw new Error(`its ${name} is not a function`);
  return { [name]: callback.bind(owner) };
}

/** Names of functions that are no callbacks; an object may have them of its class. No getter is asked. */
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

function messageOf(error: unknown, fileUrl = ''): string {
  try {
    return error instanceof Error ? errorMessage(error, fileUrl) : String(error);
  } catch {
    // Modules may throw anything, even what throws when it is looked at.
    return 'it threw something that cannot be shown';
  }
}

function errorMessage(error: NodeJS.ErrnoException, fileUrl: string): string {
  const { message, code } = error;
  if (code === 'ERR_UNKNOWN_FILE_EXTENSION' && /"\.[cm]?tsx?"/.test(message)) {
    return `Node ${process.versions.node} cannot load TypeScript (${message}): compile it to JavaScript, or run Node 22.18 or later`;
  }
  // An export that is not there Node names, with its module.
  return error instanceof SyntaxError && !message.includes('requested module')
    ? syntaxErrorMessage(error, fileURLToPath(fileUrl))
    : message;
}
