/**
 * Whether a version of Node is among those that `engines` in package.json names.
 * It knows what we write there: `^20.19.0 || ^22.12.0 || >=24`.
 */
export function isSupported(version: string, engines: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return engines.split('||').some((range) => {
    const [, operator, first, second] = /(\^|>=)(\d+)(?:\.(\d+))?/.exec(range) ?? [];
    if (operator === '>=' && major > Number(first)) return true;
    return major === Number(first) && minor >= Number(second ?? 0);
  });
}
