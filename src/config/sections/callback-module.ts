import { open, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { isAbsolute, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { nameForm } from '../../schema/forms.ts';
import { meaning, text } from '../../schema/values.ts';

/** A path or the name of a package; gives the file URL of a callback module that can be read. It is not run. */
export function callbackModule(folder: string) {
  return text(nameForm).transform(
    meaning(async (name) => {
      const found = await findCallbackModule(name, folder);
      if ('fileUrl' in found) return { value: found.fileUrl };
      return { code: 'unusable-callback-module', message: found.message } as const;
    }),
  );
}

/**
 * Finds a callback module: a path (relative to `folder`), or else a package that can be found from there.
 * Says what is wrong if there is no readable file; does not run it.
 */
async function findCallbackModule(
  name: string,
  folder: string,
): Promise<{ fileUrl: string } | { message: string }> {
  const path = resolve(folder, name);
  const isPath = isAbsolute(name) || /^\.\.?\//.test(name) || (await isFile(path));
  const found = isPath ? { path } : packageEntry(name, folder);
  if ('message' in found) return found;
  const message = await unreadableMessage(found.path);
  return message === undefined ? { fileUrl: pathToFileURL(found.path).href } : { message };
}

/** The file that `require` would take: Node tells only this one to modules that lie elsewhere. */
function packageEntry(name: string, folder: string): { path: string } | { message: string } {
  try {
    const path = createRequire(join(folder, 'configuration.yaml')).resolve(name);
    return isAbsolute(path) ? { path } : { message: `names a part of Node itself: ${name}` };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_PACKAGE_PATH_NOT_EXPORTED') {
      return {
        message: `names a package that exports nothing for require: name its file instead (./node_modules/${name}/…)`,
      };
    }
    return {
      message: 'names neither a file nor an installed package: a path is relative to the folder of this file',
    };
  }
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (entry) => entry.isFile(),
    () => false,
  );
}

async function unreadableMessage(path: string): Promise<string | undefined> {
  try {
    if (!(await stat(path)).isFile()) return `names a folder or device, not a module file: ${path}`;
    await (await open(path)).close();
    return undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return `names a file that does not exist: ${path}`;
    return `names a file that this process (uid ${process.geteuid?.() ?? 'unknown'}) may not read (${code}): ${path}`;
  }
}
