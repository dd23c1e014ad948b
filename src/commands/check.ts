import { type Command, exitCodes } from './command.ts';

export const check: Command = {
  summary: 'says whether the configuration file is good, with every problem if it is not',
  takesFile: true,
  options: { json: { summary: 'each problem as one JSON object a line, on stdout' } },
  async run({ file, version, options }) {
    const { prepare } = await import('./prepare.ts');
    const { printProblems, printProblemsAsJson } = await import('./configuration.ts');
    const isJson = options['json'] === true;
    const prepared = await prepare({ file, version }, isJson ? printProblemsAsJson : printProblems);
    if (prepared === undefined) return exitCodes.badConfiguration;
    if (!isJson) process.stdout.write(`${file}: good\n`);
    return exitCodes.success;
  },
};
