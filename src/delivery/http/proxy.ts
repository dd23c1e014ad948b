/** Where programs look for a proxy, as curl does. */
const NAMES = ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy'];

/** The variables that name a proxy, which outgoing pools do not use; not their values, which may hold a password. */
export function unusedProxies(environment: Readonly<Record<string, string | undefined>>): string[] {
  return NAMES.filter((name) => (environment[name] ?? '') !== '');
}
