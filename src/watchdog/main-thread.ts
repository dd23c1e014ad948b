import type { Debugger, Session } from 'node:inspector';

const MOST_FRAMES = 5;
const LONGEST_FRAME = 300;

/** The main thread, paused by the debugger. */
export interface StoppedThread {
  /** The frames where it is paused, innermost first, in the form of an error's stack. */
  readonly stack: string[];
  /** Lets it continue. */
  release(): Promise<void>;
  /** Lets it end the process with exit code 1. */
  end(): void;
  /** Terminates what it executes and lets it continue with its next task; undefined if that would end the process. */
  readonly abandon: (() => Promise<void>) | undefined;
}

/**
 * Pauses the main thread, even in an endless loop; undefined if that takes too long, for example during a system call.
 * @throws Error if this Node was built without the inspector.
 */
export async function stopMainThread(limitMs: number): Promise<StoppedThread | undefined> {
  // Loaded only now, because it is rarely needed.
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
        // process.exit is replaced while callback modules run; this is what it calls.
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
  // A connected session would keep the process from ending.
  session.disconnect();
}

/** Node ends a process whose timer or immediate was terminated, because its lists of them are then inconsistent. */
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
