import type { LineSink } from '@orrery/node-io/rotating-file';
import type { AuditBackend, Recorded } from './backend.ts';
import { legacyLine } from './event.ts';

const newline = Buffer.from('\n');

/** One line an event. Written when `process` returns, so a failure is known. */
export function logBackend(sink: LineSink, format: 'json' | 'legacy'): AuditBackend {
  const lineOf = ({ json, event }: Recorded): Buffer[] => (format === 'json' ? [json, newline] : [Buffer.from(`${legacyLine(event)}\n`)]);
  return {
    name: 'log',
    process: (events) => sink.write(Buffer.concat(events.flatMap(lineOf))),
    stop: async () => sink.close(),
  };
}
