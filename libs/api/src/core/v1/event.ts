import type { Event } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import type { Column } from '../../kind.ts';
import { text, wideText } from '../../printing/columns.ts';
import { since } from '../../printing/duration.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { qualifiedName } from '../../validation/names.ts';

const first = ({ firstTimestamp, eventTime }: Event, nowMs: number): string => since(firstTimestamp ?? eventTime, nowMs);

function last(event: Event, nowMs: number): string {
  if (event.series) return since(event.series.lastObservedTime, nowMs);
  return event.lastTimestamp ? since(event.lastTimestamp, nowMs) : first(event, nowMs);
}

function target({ involvedObject }: Event): string {
  const { kind = '', name } = involvedObject ?? {};
  return name ? `${kind.toLowerCase()}/${name}` : kind.toLowerCase();
}

function source({ source: from, reportingComponent, reportingInstance }: Event): string {
  const component = from?.component || reportingComponent || '';
  const host = from?.host || reportingInstance || '';
  return host ? `${component}, ${host}` : component;
}

const wideName: Column<Event> = { name: 'Name', type: 'string', format: 'name', priority: 1, cell: ({ metadata }) => metadata?.name ?? '' };

export const eventColumns: readonly Column<Event>[] = [
  text('Last Seen', (event, { nowMs }) => last(event, nowMs)),
  text('Type', ({ type }) => type ?? ''),
  text('Reason', ({ reason }) => reason ?? ''),
  text('Object', target),
  wideText('Subobject', ({ involvedObject }) => involvedObject?.fieldPath ?? ''),
  wideText('Source', source),
  text('Message', ({ message }) => (message ?? '').trim()),
  wideText('First Seen', (event, { nowMs }) => first(event, nowMs)),
  wideText('Count', ({ series, count }) => String(series?.count ?? (count || 1))),
  wideName,
];

/** What a field selector may ask of an event; `source` falls back on the newer name of the reporter. */
export function eventFields({ involvedObject: object, reason, type, source: from, reportingComponent }: Event): Record<string, string> {
  return {
    'involvedObject.kind': object?.kind ?? '',
    'involvedObject.namespace': object?.namespace ?? '',
    'involvedObject.name': object?.name ?? '',
    'involvedObject.uid': object?.uid ?? '',
    'involvedObject.apiVersion': object?.apiVersion ?? '',
    'involvedObject.resourceVersion': object?.resourceVersion ?? '',
    'involvedObject.fieldPath': object?.fieldPath ?? '',
    reason: reason ?? '',
    reportingComponent: reportingComponent ?? '',
    source: from?.component || reportingComponent || '',
    type: type ?? '',
  };
}

export const eventFieldNames: readonly string[] = [
  'involvedObject.kind', 'involvedObject.namespace', 'involvedObject.name', 'involvedObject.uid', 'involvedObject.apiVersion', 'involvedObject.resourceVersion', 'involvedObject.fieldPath', 'reason', 'reportingComponent', 'source', 'type',
];

/** Reporters, actions and reasons are short. */
const maxWords = 128;
const maxMessage = 1024;

/**
 * Events without eventTime come from older clients: they lie beside what they are about, and nothing else is asked of
 * them. `reporter` is how the version at hand calls the reporting component.
 */
export function checkEvent(event: Event, { root, reporter }: { root: FieldPath; reporter: string }): void {
  const namespace = event.metadata?.namespace ?? '';
  const about = event.involvedObject?.namespace ?? '';
  const elsewhere = (): void => root.child('involvedObject').child('namespace').invalid(about, 'does not match event.namespace');
  if (!event.eventTime) {
    if (about === '' ? namespace !== '' && namespace !== 'default' : about !== namespace) elsewhere();
    return;
  }
  if (about === '' && namespace !== 'default' && namespace !== 'kube-system') elsewhere();
  if (!event.reportingComponent) root.child(reporter).required();
  root.child(reporter).matches(event.reportingComponent, qualifiedName);
  for (const name of ['reportingInstance', 'action', 'reason'] as const) {
    const value = event[name] ?? '';
    if (value === '') root.child(name).required();
    if (Buffer.byteLength(value) > maxWords) root.child(name).invalid('', `can have at most ${maxWords} characters`);
  }
  if (Buffer.byteLength(event.message ?? '') > maxMessage) root.child('message').invalid('', `can have at most ${maxMessage} characters`);
}

export const eventKind = defineKind<Event>({
  group: '',
  version: 'v1',
  kind: 'Event',
  resource: 'events',
  namespaced: true,
  shortNames: ['ev'],
  createOnUpdate: true,
  // Go shows these even when empty.
  defaults: (event) => {
    event.source ??= {};
    event.reportingComponent ??= '';
    event.reportingInstance ??= '';
  },
  validate: (event) => findProblems((root) => checkEvent(event, { root, reporter: 'reportingComponent' })),
  selectableFields: eventFieldNames,
  selectable: eventFields,
  columns: eventColumns,
});
