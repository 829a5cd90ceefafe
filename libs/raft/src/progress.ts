/**
 * What a leader knows of one member.
 * - probe: where the logs agree is being searched, one message a round;
 * - replicate: messages follow one another without waiting (`inFlight` holds the last index of each);
 * - snapshot: it is so far behind that it gets a snapshot; until it says that it has it, nothing else is sent.
 */
export interface Progress {
  state: 'probe' | 'replicate' | 'snapshot';
  /** The highest index known to be the same there, and on its disk. */
  match: number;
  /** What is sent next. */
  next: number;
  /** Index of the snapshot on its way. */
  pendingSnapshot: number;
  /** Of a probe: a message is on its way. */
  paused: boolean;
  /** It has said something since the last check of the quorum. */
  recentlyActive: boolean;
  inFlight: number[];
  /** The newest read it has confirmed hearing of. */
  readId: number;
}

export function newProgress(lastIndex: number, isSelf = false): Progress {
  return {
    state: 'probe',
    match: isSelf ? lastIndex : 0,
    next: lastIndex + 1,
    pendingSnapshot: 0,
    paused: false,
    recentlyActive: isSelf,
    inFlight: [],
    readId: 0,
  };
}

export function becomeProbe(progress: Progress): void {
  progress.next = progress.state === 'snapshot' ? Math.max(progress.match + 1, progress.pendingSnapshot + 1) : progress.match + 1;
  progress.state = 'probe';
  progress.pendingSnapshot = 0;
  progress.paused = false;
  progress.inFlight = [];
}

export function becomeReplicate(progress: Progress): void {
  progress.state = 'replicate';
  progress.pendingSnapshot = 0;
  progress.paused = false;
  progress.inFlight = [];
  progress.next = progress.match + 1;
}

export function becomeSnapshot(progress: Progress, index: number): void {
  progress.state = 'snapshot';
  progress.pendingSnapshot = index;
  progress.inFlight = [];
}

/** The member has everything up to `index`. Says whether that is news. */
export function acknowledge(progress: Progress, index: number): boolean {
  const isNews = index > progress.match;
  if (isNews) {
    progress.match = index;
    progress.paused = false;
  }
  progress.next = Math.max(progress.next, index + 1);
  progress.inFlight = progress.inFlight.filter((last) => last > index);
  return isNews;
}

/** The member has refused `index`; `hint` is the last index that may agree. Says whether that is news rather than an echo of old messages. */
export function refuse(progress: Progress, index: number, hint: number): boolean {
  if (progress.state === 'replicate') {
    if (index <= progress.match) return false;
    becomeProbe(progress);
    return true;
  }
  if (progress.state !== 'probe' || progress.next - 1 !== index) return false;
  progress.next = Math.max(Math.min(index, hint + 1), progress.match + 1);
  progress.paused = false;
  return true;
}

export function isPaused(progress: Progress, maxInFlight: number): boolean {
  if (progress.state === 'probe') return progress.paused;
  return progress.state === 'snapshot' || progress.inFlight.length >= maxInFlight;
}
