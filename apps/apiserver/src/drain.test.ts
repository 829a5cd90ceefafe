import { VirtualClock } from '@orrery/runtime';
import { describe, expect, it } from 'vitest';
import { drain } from './drain.ts';
import { Traffic } from './http/traffic.ts';

const times = { shutdownDelayMs: 0, watchGraceMs: 0, requestMs: 60_000 };

function setup() {
  const clock = new VirtualClock();
  const traffic = new Traffic();
  const said: string[] = [];
  const http = { port: 1, setTls: () => undefined, drain: async () => void said.push('drain'), close: async () => undefined };
  const begin = (name: string, isLongRunning: boolean): (() => void) => {
    const end = traffic.begin({ cancel: () => (said.push(`${name} is told`), end()) }, isLongRunning);
    return end;
  };
  const run = (more: Partial<typeof times> = {}): void => void drain(clock, { traffic, http }, { ...times, ...more }).then(() => said.push('over'));
  return { clock, said, begin, run };
}

describe('drain', () => {
  it('waits for nothing when nothing is under way', async () => {
    const { clock, said, run } = setup();
    run();
    await clock.advance(0);
    expect(said).toEqual(['drain', 'over']);
  });

  it('keeps serving for the delay, lets watches go on for their grace, then tells them', async () => {
    const { clock, said, begin, run } = setup();
    begin('watch', true);
    run({ shutdownDelayMs: 1000, watchGraceMs: 500 });
    await clock.advance(999);
    expect(said).toEqual([]);
    await clock.advance(500);
    expect(said).toEqual(['drain']);
    await clock.advance(1);
    expect(said).toEqual(['drain', 'watch is told', 'over']);
  });

  it('does not wait out the grace when the watches are gone', async () => {
    const { clock, said, begin, run } = setup();
    const end = begin('watch', true);
    run({ watchGraceMs: 10_000 });
    await clock.advance(1);
    end();
    await clock.advance(0);
    expect(said).toEqual(['drain', 'over']);
  });

  it('finishes what is in flight, but not for ever', async () => {
    const { clock, said, begin, run } = setup();
    const end = begin('write', false);
    begin('stuck', false);
    run();
    end();
    await clock.advance(59_999);
    expect(said).toEqual(['drain']);
    await clock.advance(1);
    expect(said).toEqual(['drain', 'over']);
  });
});
