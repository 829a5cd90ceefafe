import { fieldError, invalid, unsupportedMediaType } from '@orrery/errors';
import { type PatchInput, type PatchType, patch } from '../registry/patch.ts';
import { fieldValidation, writeOptions } from './options.ts';
import { readPatchBody } from './patch-body.ts';
import { queryFlag } from './query-flag.ts';
import { type ResourceRequest, readBody, sendEntry } from './resource.ts';

const builtInTypes: readonly PatchType[] = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
];

function patchType(request: ResourceRequest): PatchType {
  const type = (request.exchange.header('content-type') ?? '').split(';')[0]?.trim().toLowerCase();
  // Strategic merge needs a schema with merge keys, which custom resources do not have.
  const allowed = request.scope.kind.schema ? builtInTypes.filter((t) => t !== 'application/strategic-merge-patch+json') : builtInTypes;
  const found = allowed.find((t) => t === type);
  if (!found) throw unsupportedMediaType(`the body of the request was in an unknown format - accepted media types include: ${allowed.join(', ')}`);
  return found;
}

/** Reads a patch and its options. */
export async function readPatch(request: ResourceRequest): Promise<PatchInput> {
  const { exchange, parsed } = request;
  const { query } = parsed;
  const type = patchType(request);
  const options = writeOptions(query, { optionsKind: 'PatchOptions', userAgent: exchange.header('user-agent') });
  if (query.has('force') && type !== 'application/apply-patch+yaml') {
    throw invalid({ group: 'meta.k8s.io', kind: 'PatchOptions', name: '' }, [fieldError.forbidden('force', 'may not be specified for non-apply patch')]);
  }
  const mode = fieldValidation(query, 'PatchOptions');
  return { type, ...readPatchBody(await readBody(exchange), type, mode), options, mode, force: queryFlag(query, 'force') ?? false };
}

export async function servePatch(request: ResourceRequest): Promise<void> {
  const { entry, created } = await patch(request.core.registry, request.scope, await readPatch(request));
  await sendEntry(request, created ? 201 : 200, entry);
}
