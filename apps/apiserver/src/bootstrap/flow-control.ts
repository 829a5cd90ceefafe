import type { FlowSchemaSpec, FlowcontrolV1Subject, PolicyRulesWithSubjects, PriorityLevelConfigurationSpec, ResourcePolicyRule } from '@orrery/api/types';

export interface PriorityLevelRow {
  readonly name: string;
  readonly spec: PriorityLevelConfigurationSpec;
}

export interface FlowSchemaRow {
  readonly name: string;
  readonly spec: FlowSchemaSpec;
}

interface Limits {
  readonly shares: number;
  readonly lendable: number;
  /** Number of queues and hand size; without, excess requests are refused. */
  readonly queues?: readonly [number, number];
}

function limited(name: string, { shares, lendable, queues }: Limits): PriorityLevelRow {
  const limitResponse = queues ? { type: 'Queue', queuing: { queues: queues[0], handSize: queues[1], queueLengthLimit: 50 } } : { type: 'Reject' };
  return { name, spec: { type: 'Limited', limited: { nominalConcurrencyShares: shares, lendablePercent: lendable, limitResponse } } };
}

export const priorityLevels: readonly PriorityLevelRow[] = [
  { name: 'exempt', spec: { type: 'Exempt', exempt: { nominalConcurrencyShares: 0, lendablePercent: 0 } } },
  limited('catch-all', { shares: 5, lendable: 0 }),
  limited('system', { shares: 30, lendable: 33, queues: [64, 6] }),
  limited('node-high', { shares: 40, lendable: 25, queues: [64, 6] }),
  limited('leader-election', { shares: 10, lendable: 0, queues: [16, 4] }),
  limited('workload-high', { shares: 40, lendable: 50, queues: [128, 6] }),
  limited('workload-low', { shares: 100, lendable: 90, queues: [128, 6] }),
  limited('global-default', { shares: 20, lendable: 50, queues: [128, 6] }),
];

const user = (name: string): FlowcontrolV1Subject => ({ kind: 'User', user: { name } });
const group = (name: string): FlowcontrolV1Subject => ({ kind: 'Group', group: { name } });
const account = (name: string): FlowcontrolV1Subject => ({ kind: 'ServiceAccount', serviceAccount: { namespace: 'kube-system', name } });

const everybody = [group('system:unauthenticated'), group('system:authenticated')];
const managers = [user('system:kube-controller-manager'), user('system:kube-scheduler')];

function resources(verbs: string, apiGroups: string[], options: { resources: string[]; clusterScope?: boolean; namespaces?: string[] }): ResourcePolicyRule {
  return { verbs: verbs.split(' '), apiGroups, resources: options.resources, ...(options.clusterScope ? { clusterScope: true } : {}), namespaces: options.namespaces ?? ['*'] };
}

const everything: Omit<PolicyRulesWithSubjects, 'subjects'> = {
  resourceRules: [resources('*', ['*'], { resources: ['*'], clusterScope: true })],
  nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
};

interface Flow {
  readonly level: string;
  readonly precedence: number;
  readonly by?: 'ByUser' | 'ByNamespace';
  readonly subjects: FlowcontrolV1Subject[];
  readonly rules?: Omit<PolicyRulesWithSubjects, 'subjects'>;
}

function flow(name: string, { level, precedence, by, subjects, rules = everything }: Flow): FlowSchemaRow {
  return {
    name,
    spec: {
      priorityLevelConfiguration: { name: level },
      matchingPrecedence: precedence,
      ...(by ? { distinguisherMethod: { type: by } } : {}),
      rules: [{ subjects, ...rules }],
    },
  };
}

const leases = (namespaces: string[]): ResourcePolicyRule => resources('get create update', ['coordination.k8s.io'], { resources: ['leases'], namespaces });
const endpoints = resources('get create update', [''], { resources: ['endpoints'] });

export const flowSchemas: readonly FlowSchemaRow[] = [
  flow('exempt', { level: 'exempt', precedence: 1, subjects: [group('system:masters')] }),
  flow('probes', { level: 'exempt', precedence: 2, subjects: everybody, rules: { nonResourceRules: [{ verbs: ['get'], nonResourceURLs: ['/healthz', '/readyz', '/livez'] }] } }),
  flow('system-leader-election', {
    level: 'leader-election',
    precedence: 100,
    by: 'ByUser',
    subjects: [...managers, account('*')],
    rules: { resourceRules: [leases(['kube-system'])] },
  }),
  flow('endpoint-controller', {
    level: 'workload-high',
    precedence: 150,
    by: 'ByUser',
    subjects: [user('system:kube-controller-manager'), account('endpoint-controller'), account('endpointslicemirroring-controller')],
    rules: { resourceRules: [endpoints] },
  }),
  flow('workload-leader-election', { level: 'leader-election', precedence: 200, by: 'ByUser', subjects: [account('*')], rules: { resourceRules: [leases(['*'])] } }),
  flow('system-node-high', {
    level: 'node-high',
    precedence: 400,
    by: 'ByUser',
    subjects: [group('system:nodes')],
    rules: {
      resourceRules: [
        resources('*', [''], { resources: ['nodes', 'nodes/status'], clusterScope: true }),
        resources('*', ['coordination.k8s.io'], { resources: ['leases'] }),
      ],
    },
  }),
  flow('system-nodes', { level: 'system', precedence: 500, by: 'ByUser', subjects: [group('system:nodes')] }),
  flow('kube-controller-manager', { level: 'workload-high', precedence: 800, by: 'ByNamespace', subjects: [user('system:kube-controller-manager')] }),
  flow('kube-scheduler', { level: 'workload-high', precedence: 800, by: 'ByNamespace', subjects: [user('system:kube-scheduler')] }),
  flow('kube-system-service-accounts', { level: 'workload-high', precedence: 900, by: 'ByNamespace', subjects: [account('*')] }),
  flow('service-accounts', { level: 'workload-low', precedence: 9000, by: 'ByUser', subjects: [group('system:serviceaccounts')] }),
  flow('global-default', { level: 'global-default', precedence: 9900, by: 'ByUser', subjects: everybody }),
  flow('catch-all', { level: 'catch-all', precedence: 10000, by: 'ByUser', subjects: everybody }),
];
