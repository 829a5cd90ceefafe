import { type Fault, type FaultParameters, type Selector, type Verb, describeVerb, faultProblems, verbNames } from '@orrery/chaos';
import { parseSpan } from '../commands/clock.ts';
import { ExitCode, UserError } from '../user-error.ts';

/** The flags of `orrery chaos inject`, as commander reads them. */
export interface InjectFlags {
  readonly for?: string;
  readonly name?: string;
  readonly schedule?: string;
  readonly code?: string;
  readonly when?: string;
  readonly delay?: string;
  readonly jitter?: string;
  readonly percent?: string;
  readonly by?: string;
  readonly oneWay?: boolean;
  readonly bandwidth?: string;
  readonly count?: string;
  readonly nodeLabels?: string;
  readonly verbs?: string;
  readonly resources?: string;
  readonly namespaces?: string;
  readonly users?: string;
}

const list = (text: string): string[] => text.split(',').filter((part) => part !== '');

function labels(text: string): Record<string, string> {
  return Object.fromEntries(list(text).map((pair): [string, string] => [pair.split('=')[0] ?? '', pair.split('=').slice(1).join('=')]));
}

/** What the words after the verb name. */
function aimed(verb: Verb, targets: readonly string[]): Selector {
  switch (describeVerb(verb).aim) {
    case 'components':
      return { components: targets };
    case 'nodes':
      return targets.length ? { nodes: targets } : {};
    case 'zones':
      return { zones: targets };
    case 'pairs':
      return { from: targets.slice(0, 1), to: targets.slice(1) };
    default:
      if (targets.length) throw new UserError(`${verb} is aimed at ${describeVerb(verb).aim === 'requests' ? 'requests: say which with --verbs, --resources, --namespaces, --users' : 'the whole cluster: it takes no targets'}`, ExitCode.usage);
      return {};
  }
}

function parametersOf(flags: InjectFlags): FaultParameters {
  const number = (text: string | undefined): number | undefined => (text === undefined ? undefined : Number(text));
  const span = (text: string | undefined): number | undefined => (text === undefined ? undefined : text.startsWith('-') ? -parseSpan(text.slice(1)) : parseSpan(text));
  const values = { code: number(flags.code), when: flags.when as Fault['when'], delayMs: span(flags.delay), jitterMs: span(flags.jitter), percent: number(flags.percent), byMs: span(flags.by), oneWay: flags.oneWay, bytesPerSecond: number(flags.bandwidth) };
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as FaultParameters;
}

const flagOf: Readonly<Record<string, string>> = { delayMs: '--delay', jitterMs: '--jitter', byMs: '--by', oneWay: '--one-way', bytesPerSecond: '--bandwidth', 'selector.nodes': 'TARGETS (nodes)', 'selector.components': 'TARGETS (components)', 'selector.zones': 'TARGETS (zones)', 'selector.from': 'TARGETS', 'selector.to': 'TARGETS (two: from and to)' };

/** The fault that a command line describes. Throws UserError (usage) in the words of flags. */
export function faultFromFlags(verb: string, targets: readonly string[], flags: InjectFlags): Fault {
  if (!verbNames.includes(verb as Verb)) throw new UserError(`there is no fault ${JSON.stringify(verb)}; \`orrery chaos verbs\` lists them`, ExitCode.usage);
  const { nodeLabels, verbs, resources, namespaces, users, count } = flags;
  const selector: Selector = {
    ...aimed(verb as Verb, targets),
    ...(nodeLabels ? { nodeLabels: labels(nodeLabels) } : {}),
    ...(verbs ? { verbs: list(verbs) } : {}),
    ...(resources ? { resources: list(resources) } : {}),
    ...(namespaces ? { namespaces: list(namespaces) } : {}),
    ...(users ? { users: list(users) } : {}),
    ...(count ? { count: Number(count) } : {}),
  };
  const fault: Fault = { verb: verb as Verb, selector, ...parametersOf(flags) };
  const problems = faultProblems(fault);
  if (problems.length) throw new UserError(problems.map(({ field, why }) => `${flagOf[field] ?? `--${field.replace('selector.', '')}`}: ${why}`).join('\n'), ExitCode.usage);
  return fault;
}
