import { type Command, exitCodes } from './command.ts';
import { prepare } from './prepare.ts';

export const check: Command = {
  summary: 'tells whether the configuration file is good, and every problem if it is not',
  takesFile: true,
  async run({ file }) {
    const prepared = await prepare(file);
    if (prepared === undefined) return exitCodes.badConfiguration;
    process.stdout.write(`${file}: good\n`);
    return exitCodes.success;
  },
};
