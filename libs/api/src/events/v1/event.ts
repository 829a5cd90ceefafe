import type { EventsV1Event } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const eventsEventKind = defineKind<EventsV1Event>({
  group: 'events.k8s.io',
  version: 'v1',
  kind: 'Event',
  resource: 'events',
  namespaced: true,
  shortNames: ['ev'],
});
