import { z } from 'zod';

/** What checks a part of the configuration file and gives it as the program uses it. */
export type Schema<Output> = z.ZodType<Output>;

/**
 * A section of the configuration file. `shape` has each key once, under the name that the program uses: `maxStanzaSize`
 * is `max_stanza_size` in the file, and `requestTimeoutMs` is `request_timeout`, since milliseconds are the file's unit.
 */
export function section<Shape extends z.ZodRawShape>(
  shape: Shape,
): z.ZodType<Readonly<z.output<z.ZodObject<Shape>>>, unknown> {
  const names = new Map(Object.keys(shape).map((name) => [keyOf(name), name]));
  const inFile = Object.entries(shape).map(([name, schema]) => [keyOf(name), schema] as const);
  const renamed = (values: object): unknown =>
    Object.fromEntries(Object.entries(values).map(([key, value]) => [names.get(key), value]));
  // The names are known only while it runs: the one place where the compiler is told what they are.
  return z.strictObject(Object.fromEntries(inFile)).transform(renamed) as unknown as z.ZodType<
    Readonly<z.output<z.ZodObject<Shape>>>,
    unknown
  >;
}

/** The key in the file of what the program calls so. */
export function keyOf(name: string): string {
  return name.replace(/Ms$/, '').replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** The same keys without their defaults: what is left out of the section is not there. */
export function withoutDefaults<Shape extends Readonly<Record<string, z.ZodDefault>>>(
  shape: Shape,
): { [Name in keyof Shape]: z.ZodExactOptional<Shape[Name]['_zod']['def']['innerType']> } {
  const optional = Object.entries(shape).map(([name, schema]) => {
    const inner = schema.unwrap() as z.ZodType;
    return [name, inner.exactOptional().describe(schema.description ?? '')] as const;
  });
  return Object.fromEntries(optional) as unknown as ReturnType<typeof withoutDefaults<Shape>>;
}
