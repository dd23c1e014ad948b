import { type Command, exitCodes } from './command.ts';

export const schema: Command = {
  summary: 'prints the JSON Schema of the configuration file, for editors',
  takesFile: false,
  async run() {
    const { jsonSchema } = await import('../config/json-schema.ts');
    process.stdout.write(`${JSON.stringify(jsonSchema(), null, 2)}\n`);
    return exitCodes.success;
  },
};
