/** What a path of the registry's API names (OCI distribution specification 1.1). */
export type RegistryPath =
  | { readonly kind: 'base' }
  | { readonly kind: 'catalog' }
  | { readonly kind: 'tags'; readonly repository: string }
  | { readonly kind: 'start-upload'; readonly repository: string }
  | { readonly kind: 'manifest'; readonly repository: string; readonly reference: string }
  | { readonly kind: 'blob'; readonly repository: string; readonly digest: string }
  | { readonly kind: 'referrers'; readonly repository: string; readonly digest: string }
  | { readonly kind: 'upload'; readonly repository: string; readonly upload: string };

const repositoryPattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const tagPattern = /^\w[\w.-]{0,127}$/;
const uploadPattern = /^[0-9a-f-]{36}$/;
export const digestPattern = /^sha256:[0-9a-f]{64}$/;

/** A refusal with its code of the specification. */
export class RegistryError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

function checked(text: string, pattern: RegExp, refusal: { code: string; message: string }): string {
  if (!pattern.test(text)) throw new RegistryError(400, refusal.code, refusal.message);
  return text;
}

const digestRefusal = { code: 'DIGEST_INVALID', message: 'provided digest did not match uploaded content' };

export function checkDigest(text: string): string {
  return checked(text, digestPattern, digestRefusal);
}

/** Throws RegistryError: 404 for what is no path of it, 400 for names that are none. */
export function parsePath(path: string): RegistryPath {
  if (path === '/v2' || path === '/v2/') return { kind: 'base' };
  if (path === '/v2/_catalog') return { kind: 'catalog' };
  const [, name = '', rest = ''] = /^\/v2\/(.+?)\/((?:tags\/list|manifests\/[^/]+|blobs\/uploads\/?|blobs\/uploads\/[^/]+|blobs\/[^/]+|referrers\/[^/]+))$/.exec(path) ?? [];
  if (!rest) throw new RegistryError(404, 'NAME_UNKNOWN', 'no such path');
  const repository = checked(name, repositoryPattern, { code: 'NAME_INVALID', message: 'invalid repository name' });
  const last = rest.split('/').at(-1) ?? '';
  if (rest === 'tags/list') return { kind: 'tags', repository };
  if (rest.startsWith('manifests/')) {
    const reference = last.includes(':') ? checkDigest(last) : checked(last, tagPattern, { code: 'TAG_INVALID', message: 'manifest tag did not match URI' });
    return { kind: 'manifest', repository, reference };
  }
  if (rest === 'blobs/uploads' || rest === 'blobs/uploads/') return { kind: 'start-upload', repository };
  if (rest.startsWith('blobs/uploads/')) return { kind: 'upload', repository, upload: checked(last, uploadPattern, { code: 'BLOB_UPLOAD_INVALID', message: 'blob upload invalid' }) };
  return { kind: rest.startsWith('blobs/') ? 'blob' : 'referrers', repository, digest: checkDigest(last) };
}
