import type { Event, EventsV1Event } from '../../../gen/types.ts';
import { eventColumns, eventFieldNames, eventFields } from '../../core/v1/event.ts';
import { defineKind } from '../../define-kind.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkImmutable } from '../../validation/fields.ts';
import { qualifiedName } from '../../validation/names.ts';

function defined<T extends object>(fields: T): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}

/** The same event under the names of the core group, as it is stored. */
export function toCoreEvent(event: EventsV1Event): Event {
  const { note, reportingController, regarding, deprecatedSource, deprecatedFirstTimestamp, deprecatedLastTimestamp, deprecatedCount, ...same } = event;
  return defined({
    ...same,
    apiVersion: 'v1',
    kind: 'Event',
    metadata: event.metadata ?? {},
    involvedObject: regarding ?? {},
    message: note,
    reportingComponent: reportingController ?? '',
    reportingInstance: event.reportingInstance ?? '',
    source: deprecatedSource ?? {},
    firstTimestamp: deprecatedFirstTimestamp,
    lastTimestamp: deprecatedLastTimestamp,
    count: deprecatedCount,
  }) as Event;
}

export function fromCoreEvent(event: Event): EventsV1Event {
  const { message, reportingComponent, involvedObject, source, firstTimestamp, lastTimestamp, count, ...same } = event;
  return defined({
    ...same,
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    note: message,
    regarding: involvedObject,
    reportingController: reportingComponent || undefined,
    reportingInstance: event.reportingInstance || undefined,
    deprecatedSource: source ?? {},
    deprecatedFirstTimestamp: firstTimestamp ?? undefined,
    deprecatedLastTimestamp: lastTimestamp ?? undefined,
    deprecatedCount: count,
    eventTime: event.eventTime as string,
  }) as EventsV1Event;
}

function checkEvent(event: EventsV1Event, root: FieldPath): void {
  const namespace = event.metadata?.namespace ?? '';
  const about = event.regarding?.namespace ?? '';
  if (about !== namespace && !(about === '' && (namespace === 'default' || namespace === 'kube-system'))) {
    root.child('involvedObject').child('namespace').invalid(about, 'does not match event.namespace');
  }
  if (!event.eventTime) root.child('eventTime').required();
  if (event.type !== 'Normal' && event.type !== 'Warning') root.child('type').invalid('', 'has invalid value: ');
  root.child('reportingController').requires(event.reportingController, qualifiedName);
  for (const name of ['reportingInstance', 'action', 'reason'] as const) {
    const value = event[name];
    if (!value) root.child(name).required();
    else if (Buffer.byteLength(value) > 128) root.child(name).invalid('', 'can have at most 128 characters');
  }
  if (Buffer.byteLength(event.note ?? '') > 1024) root.child('message').invalid('', 'can have at most 1024 characters');
}

const fixed = ['regarding', 'reason', 'type', 'action', 'reportingController', 'reportingInstance', 'related', 'note', 'eventTime'] as const;
const coreNames: Readonly<Partial<Record<(typeof fixed)[number], string>>> = { regarding: 'involvedObject', note: 'message' };

export const eventsEventKind = defineKind<EventsV1Event>({
  group: 'events.k8s.io',
  version: 'v1',
  kind: 'Event',
  resource: 'events',
  namespaced: true,
  shortNames: ['ev'],
  storedAs: { group: '', version: 'v1', toStorage: toCoreEvent, fromStorage: fromCoreEvent },
  createOnUpdate: true,
  validate: (event) => findProblems((root) => checkEvent(event, root)),
  validateUpdate: (event, old) =>
    findProblems((root) => {
      checkEvent(event, root);
      for (const name of fixed) checkImmutable({ value: event[name], old: old[name] }, root.child(coreNames[name] ?? name));
    }),
  selectableFields: eventFieldNames.map((name) => name.replace(/^involvedObject\./, 'regarding.').replace(/^reportingComponent$/, 'reportingController')),
  selectable: (event) =>
    Object.fromEntries(
      Object.entries(eventFields(toCoreEvent(event))).map(([name, value]) => [name.replace(/^involvedObject\./, 'regarding.').replace(/^reportingComponent$/, 'reportingController'), value]),
    ),
  columns: eventColumns.map((column) => ({ ...column, cell: (event, context) => column.cell(toCoreEvent(event), context) })),
});
