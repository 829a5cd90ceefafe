import { decodeValue, DecodeError } from '@orrery/api';
import { type KubeObject, PatchError, applyJsonPatch, cloneJson, deepEqual } from '@orrery/apimachinery';
import { internalError } from '@orrery/errors';
import type { AdmissionAttributes } from '../../pipeline/index.ts';
import { type Invocation, callHook, refusalOf } from './call.ts';
import type { Dispatch } from './dispatch.ts';
import { type Hook, mutatingHooks } from './hook.ts';
import { convertTo, isOwnKind, schemaFor } from './version.ts';

type Fields = Record<string, unknown>;

/** The draft is held by others too: its content is exchanged, not the object. */
function replaceContent(draft: Fields, content: Fields): void {
  for (const name of Object.keys(draft)) delete draft[name];
  Object.assign(draft, content);
}

function patched(attributes: AdmissionAttributes, { kind, request }: Invocation, patch: unknown): KubeObject {
  const schema = schemaFor(attributes, kind);
  const result = applyJsonPatch(request.object, patch);
  const object = (schema ? decodeValue(result, schema, 'Ignore').object : result) as KubeObject & Fields;
  object['metadata'] ??= {};
  if (!isOwnKind(attributes)) return object;
  kind.defaults(object);
  const back = convertTo(object, kind, attributes.kind) as KubeObject;
  if (kind !== attributes.kind) attributes.kind.defaults(back);
  return back;
}

/** Applies a webhook's patch to the draft; true when that changed it. */
function applyPatch(attributes: AdmissionAttributes, invocation: Invocation, patch: unknown): boolean {
  if (patch === undefined || patch === null || (Array.isArray(patch) && !patch.length)) return false;
  const draft = attributes.object as Fields | undefined;
  if (draft === undefined) {
    throw internalError(new Error(`admission webhook ${JSON.stringify(invocation.hook.webhook.name)} attempted to modify the object, which is not supported for this operation`));
  }
  try {
    const before = cloneJson(draft) as unknown as KubeObject;
    if (isOwnKind(attributes)) attributes.kind.defaults(before);
    const after = patched(attributes, invocation, patch);
    if (deepEqual(before, after)) return false;
    replaceContent(draft, after as Fields);
    return true;
  } catch (error) {
    throw error instanceof PatchError || error instanceof DecodeError ? internalError(error) : error;
  }
}

interface Round {
  readonly number: 0 | 1;
  readonly hooks: readonly Hook[];
  /** Called before, and to be asked again if somebody changes the object after them. */
  readonly reinvocable: Set<string>;
  /** To be called in the second round. */
  readonly again: Set<string>;
}

async function runHook(dispatch: Dispatch, attributes: AdmissionAttributes, options: { hook: Hook; round: Round; index: number }): Promise<void> {
  const { hook, round, index } = options;
  if (round.number === 1 && !round.again.has(hook.id)) return;
  const invocation = dispatch.invocation(hook, attributes);
  if (!invocation) return;
  const key = `mutation.webhook.admission.k8s.io/round_${round.number}_index_${index}`;
  let changed = false;
  try {
    await dispatch.observer.watch({ hook, operation: attributes.operation, failedOpen: () => attributes.annotate(`failed-open.${key}`, hook.webhook.name) }, async () => {
      const { patch } = await callHook(invocation, attributes, { caller: dispatch.caller, mutating: true });
      changed = applyPatch(attributes, invocation, patch);
    });
  } catch (error) {
    throw refusalOf(error);
  } finally {
    attributes.annotate(key, JSON.stringify({ configuration: hook.configuration, webhook: hook.webhook.name, mutated: changed }));
  }
  if (changed && round.number === 0) for (const id of round.reinvocable) round.again.add(id);
  if (hook.webhook.reinvocationPolicy === 'IfNeeded') round.reinvocable.add(hook.id);
}

/** One after the other; those that ask for it are called once more when a later one changed the object. */
export async function mutate(dispatch: Dispatch, attributes: AdmissionAttributes): Promise<void> {
  const hooks = mutatingHooks(dispatch.read);
  const shared = { hooks, reinvocable: new Set<string>(), again: new Set<string>() };
  for (const number of [0, 1] as const) {
    if (number === 1 && shared.again.size === 0) return;
    for (const [index, hook] of hooks.entries()) await runHook(dispatch, attributes, { hook, index, round: { ...shared, number } });
  }
}
