import { jsonSchema } from '../config/json-schema.ts';
import { type Command, exitCodes } from './command.ts';

export const schema: Command = {
  summary: 'prints the JSON Schema of the configuration file, for editors',
  takesFile: false,
  run() {
    process.stdout.write(`${JSON.stringify(jsonSchema(), null, 2)}\n`);
    return Promise.resolve(exitCodes.success);
  },
};
