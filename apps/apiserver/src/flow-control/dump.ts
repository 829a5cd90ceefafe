import type { Clock } from '@orrery/runtime';
import type { PriorityLevel } from './priority-level.ts';
import type { Queue } from './queue.ts';
import type { QueuedRequest } from './queued-request.ts';

type Row = readonly string[];

const minimumWidth = 8;

/** Cells end in a comma and are padded to their column, as Go's tabwriter does it (width 8, padding 1); the last is left as it is. */
function table(rows: readonly Row[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) if (i < row.length - 1) widths[i] = Math.max(widths[i] ?? minimumWidth, cell.length + 2);
  }
  return rows.map((row) => `${row.map((cell, i) => (i < row.length - 1 ? `${cell},`.padEnd(widths[i] as number) : cell)).join('')}\n`).join('');
}

/** Seat-milliseconds as upstream prints seat-seconds. */
const seatSeconds = (r: number): string => `${(r / 1000).toFixed(8)}ss`;

function levelRows(levels: Iterable<PriorityLevel>): Row[] {
  const head = ['PriorityLevelName', 'ActiveQueues', 'IsIdle', 'IsQuiescing', 'WaitingRequests', 'ExecutingRequests', 'DispatchedRequests', 'RejectedRequests', 'TimedoutRequests', 'CancelledRequests'];
  const rows = [...levels].map(({ name, quiescing, queues }) => {
    const { dispatched, rejected, timedOut, cancelled } = queues.totals;
    const active = queues.queues.filter((queue) => queue.waiting.size > 0).length;
    return [name, active, queues.idle, quiescing, queues.waiting, queues.executing.size, dispatched, rejected, timedOut, cancelled].map(String);
  });
  return [head, ...rows];
}

function sums({ waiting }: Queue): { initial: number; most: number; work: number } {
  const sum = { initial: 0, most: 0, work: 0 };
  for (const request of waiting) {
    sum.initial += request.work.initialSeats;
    sum.most += request.seats;
    sum.work += request.totalWork;
  }
  return sum;
}

function queueRows(levels: Iterable<PriorityLevel>): Row[] {
  const head = ['PriorityLevelName', 'Index', 'PendingRequests', 'ExecutingRequests', 'SeatsInUse', 'NextDispatchR', 'InitialSeatsSum', 'MaxSeatsSum', 'TotalWorkSum'];
  const rows = [...levels].flatMap(({ name, queues }) =>
    queues.queues.map((queue) => {
      const { initial, most, work } = sums(queue);
      return [name, String(queue.index), String(queue.waiting.size), String(queue.executing), String(queue.seatsInUse), seatSeconds(queue.nextDispatchR), String(initial), String(most), seatSeconds(work)];
    }),
  );
  return [head, ...rows];
}

const noTime = '0001-01-01T00:00:00Z';

function requestRow(level: string, request: QueuedRequest, at: { index: number; toTime: (ms: number) => string; details: boolean }): Row {
  const { arrival, queue, work, arrivedMs, startedMs } = request;
  const { user, info, series, distinguisher } = arrival;
  const { initialSeats, finalSeats, lingerMs } = work;
  const began = at.index < 0 ? at.toTime(startedMs) : noTime;
  const row = [level, series.schema, String(queue?.index ?? -1), String(at.index), distinguisher, at.toTime(arrivedMs), String(initialSeats), String(finalSeats), `${lingerMs / 1000}s`, began];
  if (!at.details) return row;
  const version = info.group ? `${info.group}/${info.version}` : info.version;
  return [...row, user.username, info.verb, info.path, info.namespace, info.name, version, info.resource, info.subresource];
}

function requestRows(levels: Iterable<PriorityLevel>, { details, clock }: { details: boolean; clock: Clock }): Row[] {
  const offset = clock.now() - clock.monotonic();
  const toTime = (ms: number): string => new Date(ms + offset).toISOString();
  const head = ['PriorityLevelName', 'FlowSchemaName', 'QueueIndex', 'RequestIndexInQueue', 'FlowDistingsher', 'ArriveTime', 'InitialSeats', 'FinalSeats', 'AdditionalLatency', 'StartTime'];
  const more = details ? ['UserName', 'Verb', 'APIPath', 'Namespace', 'Name', 'APIVersion', 'Resource', 'SubResource'] : [];
  const rows: Row[] = [[...head, ...more]];
  for (const { name, queues } of levels) {
    for (const request of queues.executing) rows.push(requestRow(name, request, { index: -1, toTime, details }));
    for (const queue of queues.queues) for (const [index, request] of [...queue.waiting].entries()) rows.push(requestRow(name, request, { index, toTime, details }));
  }
  return rows;
}

/** A page of /debug/api_priority_and_fairness (its last path segment); undefined for others. */
export function dumpPage(levels: Iterable<PriorityLevel>, page: string, options: { details: boolean; clock: Clock }): string | undefined {
  const sorted = [...levels].sort((a, b) => (a.name < b.name ? -1 : 1));
  if (page === 'dump_priority_levels') return table(levelRows(sorted));
  if (page === 'dump_queues') return table(queueRows(sorted));
  return page === 'dump_requests' ? table(requestRows(sorted, options)) : undefined;
}
