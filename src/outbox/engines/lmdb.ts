import { z } from 'zod';
import { pathFrom } from '../../schema/values.ts';
import { engine } from './engine.ts';

/** Keeps what waits and dead letters on disk: what was put is there after a crash of the process or of the machine. */
export const lmdb = engine({
  name: 'lmdb',
  summary: 'on disk',
  schema: (folder) =>
    z
      .strictObject({
        path: pathFrom(folder)
          .prefault('./data')
          .describe('The folder of lmdb, relative to this file; one sidecar works on it at a time.'),
      })
      .transform(({ path }) => ({ folder: path })),
  place: ({ folder }) => ({ folder }),
  // Only when it is opened, so that nothing else loads the native library.
  open: async ({ folder }, common, ports) => {
    const { openStore } = await import('../lmdb/store.ts');
    return openStore(folder, common, ports);
  },
  openBeside: async ({ folder }, access) => {
    const { openBeside } = await import('../lmdb/operator-beside.ts');
    return openBeside(folder, access);
  },
});
