import type { Debugger, Session } from 'node:inspector';

const MOST_FRAMES = 5;
const LONGEST_FRAME = 300;

/** The main thread, stopped in the middle of what it does. */
export interface StoppedThread {
  /** Where it is, innermost first, in the form of an error's stack. */
  readonly stack: string[];
  /** Lets it go on with what it does. */
  release(): Promise<void>;
  /** Lets it end the process, with 1. */
  end(): void;
  /** Takes it out of what it does, and lets it go on with what comes next; undefined if it would not survive that. */
  readonly abandon: (() => Promise<void>) | undefined;
}

/**
 * Stops the main thread, even one in an endless loop; undefined if that takes too long, as in a system call.
 * @throws Error of a Node that was built without what this needs.
 */
export async function stopMainThread(limitMs: number): Promise<StoppedThread | undefined> {
  // Only now, because it is hardly ever needed.
  const inspector = await import('node:inspector');
  const session = new inspector.Session();
  session.connectToMainThread();
  const urls = new Map<string, string>();
  session.on('Debugger.scriptParsed', ({ params }) => urls.set(params.scriptId, params.url));
  const stopped = new Promise<StoppedThread>((resolve) => {
    session.once('Debugger.paused', ({ params }) =>
      resolve({
        stack: stackOf(params.callFrames, urls),
        release: () => release(session),
        // By what is below process.exit, which callback modules are denied.
        end: () => session.post('Runtime.evaluate', { expression: 'process.reallyExit(1)' }),
        abandon: isInTimer(params.callFrames, urls)
          ? undefined
          : () => {
              session.post('Runtime.terminateExecution');
              return release(session);
            },
      }),
    );
  });
  session.post('Debugger.enable');
  session.post('Debugger.pause');
  const tooLate = new Promise<undefined>((resolve) => setTimeout(resolve, limitMs, undefined));
  return Promise.race([stopped, tooLate]);
}

async function release(session: Session): Promise<void> {
  session.post('Debugger.resume');
  await new Promise((resolve) => session.post('Debugger.disable', resolve));
  // Else the process would wait for us at its end.
  session.disconnect();
}

/** Node ends a process that is taken out of a timer or an immediate, since it finds its books of them wrong. */
function isInTimer(frames: readonly Debugger.CallFrame[], urls: ReadonlyMap<string, string>): boolean {
  return frames.some(({ location }) => urls.get(location.scriptId) === 'node:internal/timers');
}

function stackOf(frames: readonly Debugger.CallFrame[], urls: ReadonlyMap<string, string>): string[] {
  return frames.slice(0, MOST_FRAMES).map(({ functionName, location }) => {
    const { scriptId, lineNumber, columnNumber = 0 } = location;
    const place = `${urls.get(scriptId) ?? ''}:${lineNumber + 1}:${columnNumber + 1}`;
    return `at ${functionName === '' ? place : `${functionName} (${place})`}`.slice(0, LONGEST_FRAME);
  });
}
