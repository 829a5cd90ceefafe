import { type FaultParameters, type Parameter, type Verb, describeVerb, verbNames } from './verbs.ts';

/** Which requests an API fault strikes; what is left out matches all. */
export interface RequestSelector {
  /** `create`, `update`, `patch`, `delete`, `deletecollection`, `get`, `list`, `watch`; `write` and `read` for all of a sort. */
  readonly verbs?: readonly string[];
  /** `pods`, `deployments.apps`, `pods/status`. */
  readonly resources?: readonly string[];
  readonly namespaces?: readonly string[];
  /** User names; components are named by their user (`system:kube-scheduler`) or in short (`scheduler`). */
  readonly users?: readonly string[];
}

/** What a fault is aimed at. */
export interface Selector extends RequestSelector {
  /** `scheduler`, `apiserver`, `store-2`, `kubelet-node-1`; `kubelet` means those of all nodes. */
  readonly components?: readonly string[];
  readonly nodes?: readonly string[];
  /** Nodes by their labels. */
  readonly nodeLabels?: Readonly<Record<string, string>>;
  readonly zones?: readonly string[];
  /** Ends of links, for faults of the network: nodes, `apiserver`, components. */
  readonly from?: readonly string[];
  readonly to?: readonly string[];
  /** Of the components or nodes that match, so many drawn at random. Default: all. */
  readonly count?: number;
}

export interface Fault extends FaultParameters {
  readonly verb: Verb;
  readonly selector: Selector;
}

/** One thing that is wrong with a fault: the field's path below the fault, and why. */
export interface Problem {
  readonly field: string;
  readonly why: string;
}

const lists = ['verbs', 'resources', 'namespaces', 'users', 'components', 'nodes', 'zones', 'from', 'to'] as const;

/** The fields of a selector that a fault of each aim needs one of. */
const needed: Readonly<Record<string, readonly (keyof Selector)[]>> = {
  components: ['components'],
  nodes: ['nodes', 'nodeLabels'],
  zones: ['zones'],
  pairs: ['from', 'to'],
};

const requestVerbs = new Set(['create', 'update', 'patch', 'delete', 'deletecollection', 'get', 'list', 'watch', 'read', 'write']);

function numberProblem(name: Parameter, value: unknown): string | undefined {
  const isNumber = typeof value === 'number' && Number.isFinite(value);
  switch (name) {
    case 'code':
      return isNumber && Number.isInteger(value) && value >= 400 && value <= 599 ? undefined : 'must be an HTTP status from 400 to 599';
    case 'percent':
      return isNumber && value > 0 && value <= 100 ? undefined : 'must be above 0 and at most 100';
    case 'bytesPerSecond':
      return isNumber && value > 0 ? undefined : 'must be above 0';
    case 'delayMs':
    case 'jitterMs':
      return isNumber && value >= 0 ? undefined : 'must not be negative';
    case 'byMs':
      return isNumber && value !== 0 ? undefined : 'must not be 0';
    case 'when':
      return value === 'before' || value === 'after' ? undefined : 'must be before or after';
    case 'oneWay':
      return typeof value === 'boolean' ? undefined : 'must be true or false';
  }
}

const parameterNames: readonly Parameter[] = ['code', 'when', 'delayMs', 'jitterMs', 'percent', 'oneWay', 'bytesPerSecond', 'byMs'];

function selectorProblems(selector: Record<string, unknown>): Problem[] {
  const problems: Problem[] = [];
  for (const name of lists) {
    const value = selector[name];
    if (value !== undefined && !(Array.isArray(value) && value.every((item) => typeof item === 'string' && item !== ''))) problems.push({ field: `selector.${name}`, why: 'must be a list of names' });
  }
  for (const verb of Array.isArray(selector['verbs']) ? (selector['verbs'] as unknown[]) : []) {
    if (!requestVerbs.has(String(verb))) problems.push({ field: 'selector.verbs', why: `${JSON.stringify(verb)} is no verb of requests; these are: ${[...requestVerbs].join(', ')}` });
  }
  const { count } = selector;
  if (count !== undefined && !(typeof count === 'number' && Number.isInteger(count) && count > 0)) problems.push({ field: 'selector.count', why: 'must be a whole number above 0' });
  return problems;
}

/** Everything that is wrong with what claims to be a fault; empty for one that is. */
export function faultProblems(value: unknown): Problem[] {
  const fault = (value ?? {}) as Record<string, unknown>;
  const name = fault['verb'];
  if (!verbNames.includes(name as Verb)) return [{ field: 'verb', why: `${JSON.stringify(name ?? '')} is no fault; these are: ${verbNames.join(', ')}` }];
  const description = describeVerb(name as Verb);
  const problems: Problem[] = [];
  for (const parameter of parameterNames) {
    const given = fault[parameter];
    if (given === undefined) {
      if (description.required.includes(parameter)) problems.push({ field: parameter, why: `${String(name)} needs it` });
      continue;
    }
    const why = description.parameters.includes(parameter) ? numberProblem(parameter, given) : `${String(name)} does not take it`;
    if (why) problems.push({ field: parameter, why });
  }
  const selector = (fault['selector'] ?? {}) as Selector;
  problems.push(...selectorProblems(selector as Record<string, unknown>));
  const isGiven = (key: keyof Selector): boolean => (Array.isArray(selector[key]) ? (selector[key] as unknown[]).length > 0 : Object.keys((selector[key] as object | undefined) ?? {}).length > 0);
  const wants = needed[description.aim] ?? [];
  const missing = description.aim === 'pairs' ? wants.filter((key) => !isGiven(key)) : wants.some(isGiven) ? [] : wants.slice(0, 1);
  for (const key of missing) problems.push({ field: `selector.${key}`, why: `${String(name)} is aimed at ${description.aim}: name at least one` });
  return problems;
}

/** The fault, checked. Throws an Error that names every field that is wrong. */
export function checkedFault(value: unknown): Fault {
  const problems = faultProblems(value);
  if (problems.length) throw new Error(problems.map(({ field, why }) => `${field}: ${why}`).join('; '));
  return { selector: {}, ...(value as object) } as Fault;
}

/** For people: `pause scheduler`, `api-error 500 after on create pods (20 %)`. */
export function faultText(fault: Fault): string {
  const { selector, verb, code, when, percent, delayMs, byMs, bytesPerSecond, oneWay } = fault;
  const names = [...(selector.components ?? []), ...(selector.nodes ?? []), ...(selector.zones ?? []), ...Object.entries(selector.nodeLabels ?? {}).map(([key, value]) => `${key}=${value}`)].join(', ');
  const ends = selector.from?.length ? `${selector.from.join(', ')} ${oneWay ? '→' : '↔'} ${(selector.to ?? []).join(', ')}` : '';
  const requests = [selector.verbs?.join(', '), selector.resources?.join(', '), selector.namespaces?.length ? `in ${selector.namespaces.join(', ')}` : undefined, selector.users?.length ? `by ${selector.users.join(', ')}` : undefined].filter(Boolean).join(' ');
  const amounts = [code, when, delayMs === undefined ? undefined : `${delayMs} ms`, byMs === undefined ? undefined : `by ${byMs} ms`, bytesPerSecond === undefined ? undefined : `${bytesPerSecond} B/s`];
  return [verb, ...amounts, names, ends, requests, percent === undefined ? undefined : `(${percent} %)`].filter((part) => part !== undefined && part !== '').join(' ');
}
