import type { FieldError } from '@orrery/errors';
import type { Event, EventsV1Event } from '../../../gen/types.ts';
import { checkEvent, eventColumns, eventFieldNames, eventFields } from '../../core/v1/event.ts';
import { defineKind } from '../../define-kind.ts';
import { semanticEqual } from '../../equality.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkImmutable } from '../../validation/fields.ts';

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

function checkSeries({ series }: EventsV1Event, root: FieldPath): void {
  if (!series) return;
  if ((series.count ?? 0) < 2) root.child('series').child('count').invalid('', 'should be at least 2');
  if (!series.lastObservedTime) root.child('series').child('lastObservedTime').required();
}

/** Older clients' fields have no place in this version. */
function validate(event: EventsV1Event): FieldError[] {
  return findProblems((root) => {
    checkEvent(toCoreEvent(event), { root, reporter: 'reportingController' });
    checkSeries(event, root);
    if (!event.eventTime) root.child('eventTime').required();
    if (event.type !== 'Normal' && event.type !== 'Warning') root.child('type').invalid('', `has invalid value: ${event.type ?? ''}`);
    const unset = (name: string, given: boolean): void => {
      if (given) root.child(name).invalid('', 'needs to be unset');
    };
    unset('firstTimestamp', Boolean(event.deprecatedFirstTimestamp));
    unset('lastTimestamp', Boolean(event.deprecatedLastTimestamp));
    unset('count', Boolean(event.deprecatedCount));
    unset('source', Boolean(event.deprecatedSource?.component || event.deprecatedSource?.host));
  });
}

/** Under the names that upstream reports them by. */
const fixed = {
  regarding: 'involvedObject', reason: 'reason', note: 'message', deprecatedSource: 'source', deprecatedFirstTimestamp: 'firstTimestamp', deprecatedLastTimestamp: 'lastTimestamp',
  deprecatedCount: 'count', type: 'type', eventTime: 'eventTime', action: 'action', related: 'related', reportingController: 'reportingController', reportingInstance: 'reportingInstance',
} as const;

/** All but the series stays. */
function validateUpdate(event: EventsV1Event, old: EventsV1Event): FieldError[] {
  return findProblems((root) => {
    checkEvent(toCoreEvent(event), { root, reporter: 'reportingController' });
    if (!semanticEqual(event.series, old.series)) checkSeries(event, root);
    for (const [name, shown] of Object.entries(fixed) as [keyof typeof fixed, string][]) checkImmutable({ value: event[name], old: old[name] }, root.child(shown));
  });
}

export const eventsEventKind = defineKind<EventsV1Event>({
  group: 'events.k8s.io',
  version: 'v1',
  kind: 'Event',
  resource: 'events',
  namespaced: true,
  shortNames: ['ev'],
  storedAs: { group: '', version: 'v1', toStorage: toCoreEvent, fromStorage: fromCoreEvent },
  createOnUpdate: true,
  validate,
  validateUpdate,
  selectableFields: eventFieldNames.map((name) => name.replace(/^involvedObject\./, 'regarding.').replace(/^reportingComponent$/, 'reportingController')),
  selectable: (event) =>
    Object.fromEntries(
      Object.entries(eventFields(toCoreEvent(event))).map(([name, value]) => [name.replace(/^involvedObject\./, 'regarding.').replace(/^reportingComponent$/, 'reportingController'), value]),
    ),
  columns: eventColumns.map((column) => ({ ...column, cell: (event, context) => column.cell(toCoreEvent(event), context) })),
});
