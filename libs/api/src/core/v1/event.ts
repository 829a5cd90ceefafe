import type { Event } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const eventKind = defineKind<Event>({
  group: '',
  version: 'v1',
  kind: 'Event',
  resource: 'events',
  namespaced: true,
  shortNames: ['ev'],
});
