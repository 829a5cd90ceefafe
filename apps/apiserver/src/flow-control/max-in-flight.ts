import { type FlowControl, FlowRefusal, type FlowTicket } from '../pipeline/flow-control.ts';
import type { InFlight } from './in-flight.ts';
import { type Watermark, requestKind } from './watermark.ts';

const noHeaders = {};
const free: FlowTicket = { headers: noHeaders, release: () => undefined };

class Counted implements FlowTicket {
  readonly headers = noHeaders;
  private mark: Watermark | undefined;

  constructor(mark: Watermark) {
    this.mark = mark;
    mark.add(1);
  }

  release(): void {
    this.mark?.add(-1);
    this.mark = undefined;
  }
}

/**
 * What limits requests without priority and fairness: so many reads and so many writes at once, watches not counted; beyond
 * that 429 with `Retry-After: 1`. Administrators always get through, as upstream. 0 is no limit.
 */
export function maxInFlight(limits: { readonly readOnly: number; readonly mutating: number }, inFlight: InFlight): FlowControl {
  return {
    acquire({ user, info }) {
      if (info.verb === 'watch') return free;
      const kind = requestKind(info.verb);
      const { executing } = inFlight[kind];
      const limit = limits[kind];
      if (limit > 0 && executing.current >= limit && !user.groups.includes('system:masters')) {
        inFlight.drop(kind);
        throw new FlowRefusal(1);
      }
      return new Counted(executing);
    },
    watching: () => () => undefined,
  };
}
