import { deal, flowHash } from './shuffle-shard.ts';

/** Hands that are remembered; a level with more flows deals some again. */
const maxHands = 4096;

/** Which queues each flow may use: dealt once, as long as the shape of the level stays. */
export class Hands {
  private readonly known = new Map<string, readonly number[]>();
  private deckSize = 0;
  private handSize = 0;

  reshape(deckSize: number, handSize: number): void {
    if (deckSize === this.deckSize && handSize === this.handSize) return;
    this.deckSize = deckSize;
    this.handSize = handSize;
    this.known.clear();
  }

  of(flow: string): readonly number[] {
    let hand = this.known.get(flow);
    if (!hand) {
      if (this.known.size >= maxHands) this.known.clear();
      hand = deal(flowHash(flow), this.deckSize, this.handSize);
      this.known.set(flow, hand);
    }
    return hand;
  }
}
