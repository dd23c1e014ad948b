export type ServerName = 'prosody' | 'ejabberd' | 'prometheus';

export interface FoundServer {
  /** Prosody: its executable. ejabberd: the folder that holds its ebin/. Prometheus: its executable, promtool beside it. */
  readonly path: string;
  readonly version: string;
}

export interface MissingServer {
  /** Why it is not there and what to do, for a person. */
  readonly missing: string;
}

export type Servers = Record<ServerName, FoundServer | MissingServer>;

/**
 * Says where the servers are, without changing anything: in PATH and below /usr/lib, or where PROSODY and PROMETHEUS
 * (their executables), EJABBERD (the folder that holds its ebin/), ERL and ERLC point.
 */
export function findServers(needed?: readonly ServerName[]): Promise<Servers>;

/**
 * The same, after installing what is missing where it may: as root on Debian and Ubuntu, from the system's own packages,
 * without starting their daemons. Elsewhere the reason names the one command to run.
 */
export function ensureServers(options?: {
  readonly needed?: readonly ServerName[];
  /** Gets a line about each step that takes a while. */
  readonly log?: (line: string) => void;
}): Promise<Servers>;
