import type { ControllerRevision } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const controllerRevisionKind = defineKind<ControllerRevision>({
  group: 'apps',
  version: 'v1',
  kind: 'ControllerRevision',
  resource: 'controllerrevisions',
  namespaced: true,
});
