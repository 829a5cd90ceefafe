import type { KindDescriptor } from '@orrery/api';
import type { Entry } from './entry.ts';

export type FrameType = 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';

/**
 * One event as watchers of one kind see it; shared by all of them, so its JSON line is encoded once. The line is for the
 * watchers of the moment: the ring holds frames long after, and then it would be a copy of the entry's bytes for nothing.
 */
export class Frame {
  readonly type: FrameType;
  readonly entry: Entry;
  /** The version before, where there is one as its watchers know it. */
  readonly previous: Entry | undefined;
  private encoded: WeakRef<Buffer> | undefined;
  private views: WeakMap<KindDescriptor, Frame> | undefined;

  constructor(type: FrameType, entry: Entry, previous?: Entry) {
    this.type = type;
    this.entry = entry;
    this.previous = previous;
  }

  /** `{"type":…,"object":…}` and a newline, as REST watches carry it. */
  get line(): Buffer {
    let line = this.encoded?.deref();
    if (!line) {
      line = Buffer.concat([lineHeads[this.type], this.entry.bytes, lineTail]);
      this.encoded = new WeakRef(line);
    }
    return line;
  }

  view(kind: KindDescriptor): Frame {
    if (!kind.storedAs) return this;
    this.views ??= new WeakMap();
    let view = this.views.get(kind);
    if (!view) this.views.set(kind, (view = new Frame(this.type, this.entry.view(kind))));
    return view;
  }
}

const lineHeads: Readonly<Record<FrameType, Buffer>> = {
  ADDED: Buffer.from('{"type":"ADDED","object":'),
  MODIFIED: Buffer.from('{"type":"MODIFIED","object":'),
  DELETED: Buffer.from('{"type":"DELETED","object":'),
  BOOKMARK: Buffer.from('{"type":"BOOKMARK","object":'),
};
const lineTail = Buffer.from('}\n');

/** One change of one object. The frames that watchers may need are made on demand and shared. */
export class Change {
  readonly revision: number;
  readonly key: string;
  /** Undefined: deleted. */
  readonly current: Entry | undefined;
  readonly previous: Entry | undefined;
  private addedFrame: Frame | undefined;
  private modifiedFrame: Frame | undefined;
  private deletedFrame: Frame | undefined;

  constructor(revision: number, key: string, states: { current?: Entry; previous?: Entry }) {
    this.revision = revision;
    this.key = key;
    this.current = states.current;
    this.previous = states.previous;
  }

  /** What a watcher without selectors sees. */
  get plain(): Frame {
    if (!this.current) return this.deleted;
    return this.previous ? this.modified : this.added;
  }

  /** What a watcher sees whose selector matched before and after as told; undefined for nothing. */
  selected(before: boolean, after: boolean): Frame | undefined {
    if (after) return before ? this.modified : this.added;
    return before ? this.deleted : undefined;
  }

  /** Keeps the past as bytes alone, and the present too where nobody follows. */
  settle(isFollowed: boolean): void {
    this.previous?.release();
    this.deletedFrame?.entry.release();
    if (!isFollowed) this.current?.release();
  }

  private get added(): Frame {
    return (this.addedFrame ??= new Frame('ADDED', this.current as Entry));
  }

  private get modified(): Frame {
    return (this.modifiedFrame ??= new Frame('MODIFIED', this.current as Entry, this.previous));
  }

  /** The last state at the revision of the change that ended it. */
  private get deleted(): Frame {
    return (this.deletedFrame ??= new Frame('DELETED', (this.previous as Entry).at(this.revision), this.previous));
  }
}
