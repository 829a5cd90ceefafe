import { type AdjustableClock, type Advance, type ClockReading, checkAdvance } from '@orrery/runtime';
import type { ClockControl } from '../../control/clock-control.ts';
import type { Traffic } from './port-link.ts';

/** The clock of the other thread. What is asked of it is done in the order in which it was asked. */
export interface FarClock {
  read(): Promise<ClockReading>;
  setSpeed(factor: number): Promise<void>;
  /** Resolves when it is where it was to go and its thread has nothing under way. */
  advance(ms: number): Promise<void>;
  jump(ms: number): Promise<void>;
  /** As AdjustableClock's. */
  untilNext(): Promise<number>;
  /** Resolves when its thread has nothing under way, to what has gone and come over its end of the link. */
  settle(): Promise<Traffic>;
}

/** Both clocks go ahead by so much at a time: as AdjustableClock's own compromise between truth and haste. */
const grainMs = 250;

/** The clocks of two threads as one. They stand still, run and go ahead together, to within the time that a message takes between them. */
export class JointClock implements ClockControl {
  private readonly near: AdjustableClock;
  private readonly far: FarClock;
  /** This end of the link between the threads. */
  private readonly link: Traffic;
  private advancing = false;

  constructor(near: AdjustableClock, link: Traffic, far: FarClock) {
    this.near = near;
    this.link = link;
    this.far = far;
  }

  read(): ClockReading {
    return this.near.read();
  }

  /** As AdjustableClock's; rejects in its words, too. */
  async setSpeed(factor: number): Promise<void> {
    this.checkIdle();
    await this.change(factor);
  }

  /** Throws Error while time is being advanced: neither clock can be set then. Between two steps each would allow it. */
  checkIdle(): void {
    if (this.advancing) throw new Error('time is being advanced');
  }

  private async change(factor: number): Promise<void> {
    this.near.setSpeed(factor);
    await this.far.setSpeed(factor);
    await this.level();
  }

  async advance(ms: number, { settle, onProgress, signal }: Advance): Promise<void> {
    checkAdvance(ms);
    this.checkIdle();
    const { speed } = this.near.read();
    this.advancing = true;
    try {
      await this.change(0);
      await this.settled(settle);
      for (let done = 0; done < ms && !signal?.aborted; onProgress?.(done)) {
        const next = Math.min(this.near.untilNext(), await this.far.untilNext());
        const step = Math.min(ms - done, next + grainMs);
        await Promise.all([this.near.advance(step, { settle }), this.far.advance(step)]);
        await this.settled(settle);
        done += step;
      }
    } finally {
      await this.change(speed);
      this.advancing = false;
    }
  }

  /** Both threads have nothing under way, nor has the link between them, and nothing has passed it meanwhile. */
  private async settled(settle: () => Promise<void>): Promise<void> {
    for (;;) {
      const before = this.link.sent + this.link.received;
      await settle();
      const { sent, received } = await this.far.settle();
      if (sent === this.link.received && received === this.link.sent && sent + received === before) return;
    }
  }

  /** Whichever is behind catches up. */
  private async level(): Promise<void> {
    const near = this.near.read().aheadMs;
    const far = (await this.far.read()).aheadMs;
    if (far > near) this.near.jump(far - near);
    else if (near > far) await this.far.jump(near - far);
  }
}
