/** HOST:PORT of a server's URL; an IPv6 address in brackets. */
export function hostAndPort(server: string): string {
  const { protocol, hostname, port } = new URL(server);
  return `${hostname}:${port || (protocol === 'https:' ? 443 : 80)}`;
}

/** Joins server, prefix and path with exactly one slash at each joint; an empty part adds none. */
export function joinUrl(server: string, pathPrefix: string, path: string): string {
  let url = server;
  for (const part of [pathPrefix, path]) {
    if (part !== '') url = `${url.replace(/\/+$/, '')}/${part.replace(/^\/+/, '')}`;
  }
  return url;
}
