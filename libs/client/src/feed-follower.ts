import type { FeedFact } from '@orrery/bus';

/** Why a watch goes back from the feed to the API server. */
export type ResumeReason = 'gap' | 'withheld' | 'silence' | 'unanswered' | 'disconnected' | 'restart';

export type FeedStep =
  /** The feed has taken over: the watch of the API server can end. */
  | { readonly do: 'join' }
  | { readonly do: 'deliver'; readonly fact: FeedFact }
  /** There is nothing more up to here; `moved`: it is news. */
  | { readonly do: 'advance'; readonly revision: number; readonly moved: boolean }
  /** The feed cannot be trusted for now: watch the API server from `revision`. */
  | { readonly do: 'resume'; readonly reason: ResumeReason };

/** Facts kept while the API server is watched; without the older ones the switch comes later, but is as safe. */
const maxKept = 512;

/**
 * Decides what a watch that follows the feed does next; pure. It is `catching` up by a watch of the API server, or `live`
 * on the feed. Since every fact says what it follows, safety does not rest on the bus: a fact is taken when it follows what
 * is known, dropped when known, and else (of the publisher that is followed) shows a loss.
 */
export class FeedFollower {
  private at: number;
  private followed: string | undefined;
  private kept: FeedFact[] = [];

  constructor(revision: number) {
    this.at = revision;
  }

  /** Everything up to here has been delivered. */
  get revision(): number {
    return this.at;
  }

  get live(): boolean {
    return this.followed !== undefined;
  }

  /** Whose facts are being followed; undefined while catching up. */
  get publisher(): string | undefined {
    return this.followed;
  }

  /** A fact came in. */
  fact(fact: FeedFact): FeedStep[] {
    if (this.live) return this.follow(fact);
    if (fact.revision < this.at) return [];
    this.kept.push(fact);
    if (this.kept.length > maxKept) this.kept.shift();
    return this.join();
  }

  /** The watch of the API server has delivered everything up to `revision`. */
  watched(revision: number): FeedStep[] {
    if (this.live || !(revision > this.at)) return [];
    this.at = revision;
    this.kept = this.kept.filter((fact) => fact.revision >= revision);
    return this.join();
  }

  /** A publisher lives, and knows everything after `base`. */
  heartbeat(publisher: string, base: number): FeedStep[] {
    return publisher === this.followed && base > this.at ? this.lose('restart') : [];
  }

  lose(reason: ResumeReason): FeedStep[] {
    if (!this.live) return [];
    this.followed = undefined;
    this.kept = [];
    return [{ do: 'resume', reason }];
  }

  private follow(fact: FeedFact): FeedStep[] {
    if (fact.after > this.at) {
      // Of another publisher it is only early: the one that is followed will say the rest.
      if (fact.publisher !== this.followed) return [];
      const steps = this.lose('gap');
      this.kept.push(fact);
      return steps;
    }
    if (fact.revision < this.at) return [];
    const moved = fact.revision > this.at;
    if (moved && fact.content === 'withheld') return this.lose('withheld');
    this.followed = fact.publisher;
    this.at = fact.revision;
    return moved && fact.content === 'event' ? [{ do: 'deliver', fact }] : [{ do: 'advance', revision: this.at, moved }];
  }

  /** Joins the feed when some fact follows what is known. */
  private join(): FeedStep[] {
    const joint = this.kept.find((fact) => fact.after <= this.at && (fact.revision === this.at || fact.content !== 'withheld'));
    if (!joint) return [];
    const facts = this.kept;
    this.kept = [];
    this.followed = joint.publisher;
    const steps: FeedStep[] = [{ do: 'join' }];
    for (const [i, fact] of facts.entries()) {
      steps.push(...this.follow(fact));
      if (this.live) continue;
      this.kept.push(...facts.slice(i + 1));
      break;
    }
    return steps;
  }
}
