import { systemClock } from '../node/clock.ts';
import { type Command, exitCodes } from './command.ts';
import { endByForce, type Ending, firstStopSignal, isLookingUp, NO_NAME_SERVER } from './process-end.ts';

/** Taken before a callback module is loaded, to which it is denied. */
const { exit } = process;

export const run: Command = {
  summary: 'connects to the XMPP server and delivers notifications, until SIGTERM or SIGINT',
  takesFile: true,
  async run(invocation) {
    const ending: Ending = { isStuck: () => false };
    const stopWanted = firstStopSignal(process, systemClock, () => {
      process.stderr.write('ended by a second signal, without finishing what is in flight\n');
      if (ending.isStuck()) endByForce('the outbox does not respond');
      if (isLookingUp()) endByForce(NO_NAME_SERVER);
      exit(exitCodes.failure);
    });
    process.on('SIGHUP', () => process.stderr.write('SIGHUP ignored: this version cannot reload\n'));
    // Only now, so that a signal that comes while all of it is loaded is not missed.
    const { serve } = await import('./serve.ts');
    return serve(invocation, stopWanted, ending);
  },
};
