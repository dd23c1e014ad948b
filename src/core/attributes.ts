/**
 * The attributes of an element by name, with no prototype to have more of them: `__proto__` is one like any other. A
 * constructor makes them because V8 keeps what Object.create(null) gives in a hash table, which takes three times as long.
 */
export const Attributes = function () {} as unknown as { prototype: unknown; new (): Record<string, string> };
Attributes.prototype = Object.create(null);

/** The prefix of every namespace that an element declares or inherits, by namespace. */
export function prefixesOf(
  attributes: Readonly<Record<string, string>>,
  inherited: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const prefixes = Object.assign(new Attributes(), inherited);
  for (const [name, namespace] of Object.entries(attributes)) {
    const [, prefix] = /^xmlns(?::|$)(.*)/s.exec(name) ?? [];
    if (prefix !== undefined) prefixes[namespace] = prefix;
  }
  return prefixes;
}
