import { z } from 'zod';
import { engine } from './engine.ts';

/** Keeps what waits in this process: fast, bounded, and gone with the process. */
export const memory = engine({
  name: 'memory',
  summary: 'lost when the process dies',
  schema: () =>
    z.strictObject({
      path: z
        .unknown()
        .optional()
        .describe(
          'Not used by this engine; allowed, so that you need not remove it when you change the engine.',
        ),
    }),
  place: () => ({}),
  open: async (_options, _common, ports) => {
    const { memoryStore } = await import('../memory/store.ts');
    return memoryStore(ports);
  },
  openBeside: 'keeps no dead letters',
});
