import { Namespaces } from '@orrery/api';
import type { Pod } from '@orrery/api/types';
import { forbidden, internalError } from '@orrery/errors';
import type { AdmissionAttributes, AdmissionPlugin, PluginContext } from '../pipeline/index.ts';
import { creates, subjectOf, wants } from './match.ts';

const annotation = 'scheduler.alpha.kubernetes.io/node-selector';

type Labels = Record<string, string>;

/** `a=b,c=d`. Throws 500 for anything else, as the namespace is at fault. */
function parse(text: string): Labels {
  const pairs = text.split(',').map((part) => part.trim()).filter(Boolean).map((part) => part.split(/==?/).map((side) => side.trim()));
  const wrong = pairs.find((pair) => pair.length !== 2);
  if (wrong) throw internalError(new Error(`invalid selector: ${text}`));
  return Object.fromEntries(pairs) as Labels;
}

/** Pods of a namespace run on the nodes that its annotation selects. */
export function podNodeSelector({ read, api }: Pick<PluginContext, 'read' | 'api'>): AdmissionPlugin {
  const selectorOf = async ({ namespace: name }: AdmissionAttributes): Promise<Labels> => {
    const namespace = read.get(Namespaces, { name }) ?? (await api.get(Namespaces, { name }));
    return parse(namespace.metadata?.annotations?.[annotation] ?? '');
  };
  const check = (attributes: AdmissionAttributes, selector: Labels): void => {
    const own = (attributes.object as Pod).spec?.nodeSelector ?? {};
    if (Object.entries(selector).some(([key, value]) => own[key] !== undefined && own[key] !== value)) throw forbidden(subjectOf(attributes), 'pod node label selector conflicts with its namespace node label selector');
  };
  return {
    name: 'PodNodeSelector',
    handles: wants(creates('pods')),
    async admit(attributes) {
      const selector = await selectorOf(attributes);
      check(attributes, selector);
      const { spec } = attributes.object as Pod;
      if (spec && Object.keys(selector).length) spec.nodeSelector = { ...spec.nodeSelector, ...selector };
    },
    async validate(attributes) {
      check(attributes, await selectorOf(attributes));
    },
  };
}
