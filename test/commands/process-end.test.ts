import { EventEmitter } from 'node:events';
import { describe, expect, it, vi } from 'vitest';
import { firstStopSignal } from '../../src/commands/process-end.ts';
import { ManualClock } from '../support/clock.ts';

function watched() {
  const clock = new ManualClock();
  const signals = new EventEmitter();
  const endAtOnce = vi.fn();
  return { clock, signals, endAtOnce, stop: firstStopSignal(signals, clock, endAtOnce) };
}

describe('a second signal', () => {
  it.each(['SIGTERM', 'SIGINT'])('is the first one, sent twice, within 500 ms (%s)', async (second) => {
    const { clock, signals, endAtOnce, stop } = watched();
    signals.emit('SIGTERM');
    expect(await stop).toBe('stop');
    signals.emit(second);
    clock.advance(499);
    signals.emit(second);
    expect(endAtOnce).not.toHaveBeenCalled();
  });

  it.each(['SIGTERM', 'SIGINT'])('ends at once when it comes 500 ms later (%s)', (second) => {
    const { clock, signals, endAtOnce } = watched();
    signals.emit('SIGTERM');
    clock.advance(500);
    signals.emit(second);
    expect(endAtOnce).toHaveBeenCalledOnce();
  });
});
