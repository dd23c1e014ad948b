import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { watch } from './watch.ts';
import { once } from './wait.ts';

/** Node has no sockets of this kind; Debian has no system without this Perl. */
const LISTEN = `
  use Socket; use IO::Socket::UNIX;
  my $socket = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $ARGV[0]) or die $!;
  $| = 1;
  print "listening\\n";
  while (defined $socket->recv(my $message, 4096)) { $message =~ s/\\n/ /g; print "$message\\n"; }
`;

/** Why there can be no such socket here; undefined if there can. */
export function missingForNotify(): string | undefined {
  if (spawnSync('perl', ['-MIO::Socket::UNIX', '-e', '1']).status !== 0) return 'there is no Perl';
  return spawnSync('systemd-notify', ['--version']).status === 0 ? undefined : 'there is no systemd-notify';
}

/** A socket as systemd gives one to a service of `Type=notify`. */
export interface NotifySocket {
  /** For NOTIFY_SOCKET. */
  readonly path: string;
  /** What was told so far, without the barriers by which `systemd-notify` waits. */
  told(): string[];
  /** Resolves once this was told so many times. */
  heard(message: string, times?: number): Promise<void>;
}

export async function openNotifySocket(): Promise<NotifySocket> {
  const folder = await mkdtemp(join(tmpdir(), 'event-pusher-'));
  const path = join(folder, 'notify');
  const listener = spawn('perl', ['-e', LISTEN, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(async () => {
    listener.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });
  let output = '';
  const { tell, seen } = watch(once(listener, 'close'), () => output);
  listener.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    tell();
  });
  const told = (): string[] =>
    output
      .split('\n')
      .slice(1, -1)
      .filter((line) => line !== 'BARRIER=1');
  await seen('listening', () => output.startsWith('listening\n') || undefined);
  return {
    path,
    told,
    heard: (message, times = 1) =>
      seen(message, () => told().filter((line) => line === message).length >= times || undefined).then(
        () => undefined,
      ),
  };
}
