import module, { createRequire, syncBuiltinESMExports } from 'node:module';
import { pathToFileURL } from 'node:url';
import { PlainError } from '../../core/errors.ts';

/** What ends the process on the spot, other notifications included; Node 22.15 and later have `execve`. */
const endings = ['exit', 'abort', 'execve'] as const;

/**
 * From now on these functions throw, so that a callback module that calls one has failed. Code of ours that needs the
 * true ones takes them before. A signal that a callback sends to its own process cannot be told from one that comes
 * from outside.
 */
export function keepProcess(): void {
  for (const name of endings) {
    if (!(name in process)) continue;
    Reflect.set(process, name, () => {
      throw new PlainError(`it called process.${name}, which would have ended all other notifications too`);
    });
  }
  // Without this, `import { exit } from 'node:process'` would still give the true one.
  syncBuiltinESMExports();
}

/** What stanzas are made of. */
const PACKAGE = '@xmpp/xml';

type Resolve = (specifier: string, context: object) => object;

/** Parts of `node:module` that the oldest Node we support does not have, or that Node does not document. */
interface Internals {
  /** Node 22.15 and later. */
  registerHooks?(hooks: { resolve(specifier: string, context: object, nextResolve: Resolve): object }): void;
  /** What `require` asks. */
  _resolveFilename(specifier: string, ...rest: unknown[]): string;
}

let isOffered = false;

/** Lets callback modules in any folder import `@xmpp/xml`: where Node finds no such package, they get ours. */
export function offerStanzaPackage(): void {
  if (isOffered) return;
  isOffered = true;
  const path = createRequire(import.meta.url).resolve(PACKAGE);
  const internals = module as unknown as Internals;
  if (internals.registerHooks === undefined) {
    registerElsewhere(pathToFileURL(path).href);
    patchRequire(internals, path);
    return;
  }
  const ours = { url: pathToFileURL(path).href, shortCircuit: true };
  internals.registerHooks({
    resolve: (specifier, context, nextResolve) =>
      orOurs(specifier, ours, () => nextResolve(specifier, context)),
  });
}

function orOurs<T>(specifier: string, ours: T, find: () => T): T {
  try {
    return find();
  } catch (error) {
    if (specifier === PACKAGE) return ours;
    throw error;
  }
}

/** For `import`: the hook of an older Node, which runs in a thread of its own. */
function registerElsewhere(url: string): void {
  const hook = `export async function resolve(specifier, context, nextResolve) {
    try {
      return await nextResolve(specifier, context);
    } catch (error) {
      if (specifier !== ${JSON.stringify(PACKAGE)}) throw error;
      return { url: ${JSON.stringify(url)}, shortCircuit: true };
    }
  }`;
  module.register(`data:text/javascript,${encodeURIComponent(hook)}`);
}

/** For `require`, which that hook does not see. */
function patchRequire(internals: Internals, path: string): void {
  const find = internals._resolveFilename;
  internals._resolveFilename = function (specifier, ...rest) {
    return orOurs(specifier, path, () => find.call(this, specifier, ...rest));
  };
}
