import { syncBuiltinESMExports } from 'node:module';
import { PlainError } from '../core/errors.ts';

/** What ends the process on the spot, other notifications included; `execve` is there from Node 22.15 on. */
const endings = ['exit', 'abort', 'execve'] as const;

/**
 * From now on these throw: for a callback module that calls one, it is a fault of that callback. Who needs the true ones
 * takes them before. A signal that a callback sends to its own process cannot be told from one that comes from outside.
 */
export function keepProcess(): void {
  for (const name of endings) {
    if (!(name in process)) continue;
    Reflect.set(process, name, () => {
      throw new PlainError(`it called process.${name}, which would have ended all other notifications too`);
    });
  }
  // Else `import { exit } from 'node:process'` would still be the true one.
  syncBuiltinESMExports();
}
