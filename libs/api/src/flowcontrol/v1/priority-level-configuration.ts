import type { PriorityLevelConfiguration } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const priorityLevelConfigurationKind = defineKind<PriorityLevelConfiguration>({
  group: 'flowcontrol.apiserver.k8s.io',
  version: 'v1',
  kind: 'PriorityLevelConfiguration',
  resource: 'prioritylevelconfigurations',
  namespaced: false,
  hasStatus: true,
});
