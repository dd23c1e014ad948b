import { z } from 'zod';

/**
 * A section of the configuration file. `shape` has each key once, under the name that the program uses: `maxStanzaSize`
 * is `max_stanza_size` in the file, and `requestTimeoutMs` is `request_timeout`, since milliseconds are the file's unit.
 */
export function section<Shape extends z.ZodRawShape>(
  shape: Shape,
): z.ZodType<z.output<z.ZodObject<Shape>>, unknown> {
  const names = new Map(Object.keys(shape).map((name) => [keyOf(name), name]));
  const inFile = Object.entries(shape).map(([name, schema]) => [keyOf(name), schema] as const);
  const renamed = (section: object): unknown =>
    Object.fromEntries(Object.entries(section).map(([key, value]) => [names.get(key), value]));
  // The names are known only while it runs: the one place where the compiler is told what they are.
  return z.strictObject(Object.fromEntries(inFile)).transform(renamed) as unknown as z.ZodType<
    z.output<z.ZodObject<Shape>>,
    unknown
  >;
}

/** The key in the file of what the program calls so. */
function keyOf(name: string): string {
  return name.replace(/Ms$/, '').replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
