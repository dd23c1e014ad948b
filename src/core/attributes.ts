/**
 * Makes the attributes of an element, by name, without a prototype: `__proto__` is an attribute like any other. This is a
 * constructor, because V8 keeps the result of Object.create(null) in a hash table, which takes three times as long. It is
 * in the core because two rooms make elements: the parser of the stream, and the copies for callback modules.
 */
export const Attributes = function () {} as unknown as { prototype: unknown; new (): Record<string, string> };
Attributes.prototype = Object.create(null);

/** The prefixes of all namespaces that an element declares or inherits, by namespace. */
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
