/** Taken before there is a callback module, which may change them. */
const { kill, pid } = process;
const abort: () => never = process.abort;

/** What is known of whether this process could end by itself. */
export interface Ending {
  /** Whether process.exit might not end it, because it waits for a thread that waits for a disk or for a lock. */
  isStuck: () => boolean;
}

/** Whether a name is being looked up: process.exit waits for the threads in which Node does so. */
export function isLookingUp(): boolean {
  return process.getActiveResourcesInfo().includes('GetAddrInfoReqWrap');
}

export const NO_NAME_SERVER = 'a name server does not respond';

/** Ends this process by a signal, which waits for no thread: nothing that was accepted is lost by it. */
export function endByForce(why: string): never {
  process.stderr.write(`ended by a signal of its own: ${why}\n`);
  kill(pid, 'SIGKILL');
  // The first process of a container is sent no signal from inside; this ends it by a fault.
  abort();
}
