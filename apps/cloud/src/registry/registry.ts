import { type BlobFolder, BodyTooLargeError, type HttpHandler, type HttpHeaders, type HttpRequest, type HttpResponse } from '@orrery/node-io';
import type { Env } from '@orrery/runtime';
import type { Ledger } from '../ledger.ts';
import { type SavedManifest, type SavedTag, createManifests, maxManifestBytes, parseManifest, referencesOf } from './manifests.ts';
import { RegistryError, type RegistryPath, checkDigest, parsePath } from './path.ts';

export interface RegistryOptions {
  readonly ledger: Ledger;
  readonly blobs: BlobFolder;
  /** Password by user; without users everybody may do everything. */
  readonly users: ReadonlyMap<string, string>;
  /** Repositories (or what is before a `/` of them) that everybody may pull. */
  readonly open: readonly string[];
}

interface Call {
  readonly request: HttpRequest;
  readonly response: HttpResponse;
  readonly query: URLSearchParams;
}

const apiVersion = { 'docker-distribution-api-version': 'registry/2.0' };
const defaultMediaType = 'application/vnd.oci.image.manifest.v1+json';

async function sha256(bytes: Uint8Array): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-256', new Uint8Array(bytes));
  return `sha256:${Buffer.from(hash).toString('hex')}`;
}

const unknownBlob = new RegistryError(404, 'BLOB_UNKNOWN', 'blob unknown to registry');
const unknownManifest = new RegistryError(404, 'MANIFEST_UNKNOWN', 'manifest unknown');
const notAllowed = new RegistryError(405, 'UNSUPPORTED', 'The operation is unsupported.');

/** User and password of Basic credentials. */
function credentials({ headers }: HttpRequest): readonly [string, string] | undefined {
  const [, encoded = ''] = /^Basic (\S+)$/i.exec([headers['authorization']].flat().join('')) ?? [];
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 0 ? undefined : [text.slice(0, colon), text.slice(colon + 1)];
}

function refusalOf(error: unknown): RegistryError {
  if (error instanceof RegistryError) return error;
  return error instanceof BodyTooLargeError ? new RegistryError(413, 'MANIFEST_INVALID', `manifest is larger than ${maxManifestBytes} bytes`) : new RegistryError(500, 'UNKNOWN', 'unknown error');
}

async function sendStream(response: HttpResponse, headers: HttpHeaders, { status, pieces }: { status: number; pieces: AsyncIterable<Uint8Array> }): Promise<void> {
  const sink = response.stream(status, headers);
  for await (const piece of pieces) {
    if (sink.closed) return;
    if (!sink.write(piece)) await sink.drained();
  }
  sink.end();
}

/** A registry of images: the OCI distribution specification, with Basic authentication. */
export function createRegistry(env: Env, { ledger, blobs, users, open }: RegistryOptions): HttpHandler {
  const manifests = createManifests({ manifests: ledger.table<SavedManifest>('manifests'), tags: ledger.table<SavedTag>('image-tags') });
  /** To a HEAD the server leaves the body out and tells its length. */
  const reply = ({ response }: Call, status: number, { headers = {}, body = '' }: { headers?: HttpHeaders; body?: string } = {}): void => response.send(status, { ...apiVersion, ...headers }, body);
  const json = (call: Call, value: unknown, headers: HttpHeaders = {}): void => reply(call, 200, { headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(value) });

  const authorize = (call: Call, path: RegistryPath): void => {
    if (users.size === 0) return;
    const given = credentials(call.request);
    if (given && users.get(given[0]) === given[1]) return;
    const pulls = call.request.method === 'GET' || call.request.method === 'HEAD';
    if (!given && pulls && 'repository' in path && open.some((prefix) => path.repository === prefix || path.repository.startsWith(`${prefix}/`))) return;
    throw new RegistryError(401, 'UNAUTHORIZED', 'authentication required');
  };
  /** `n` and `last` of the query, as the specification pages lists. */
  const paged = (call: Call, all: readonly string[]): { readonly page: readonly string[]; readonly headers: HttpHeaders } => {
    const last = call.query.get('last');
    const rest = last === null ? all : all.filter((name) => name > last);
    const n = Number(call.query.get('n') ?? rest.length);
    if (!Number.isInteger(n) || n < 0) throw new RegistryError(400, 'PAGINATION_NUMBER_INVALID', 'invalid number of results requested');
    const page = rest.slice(0, n);
    const path = call.request.url.split('?')[0] ?? '';
    return { page, headers: n > 0 && page.length < rest.length ? { link: `<${path}?n=${n}&last=${encodeURIComponent(page.at(-1) ?? '')}>; rel="next"` } : {} };
  };

  const putManifest = async (call: Call, { repository, reference }: { repository: string; reference: string }): Promise<void> => {
    const bytes = await call.request.body(maxManifestBytes);
    const text = bytes.toString('utf8');
    const manifest = parseManifest(text);
    const digest = await sha256(bytes);
    if (reference.includes(':') && reference !== digest) throw new RegistryError(400, 'DIGEST_INVALID', 'provided digest did not match uploaded content');
    const needed = referencesOf(manifest);
    for (const blob of needed.blobs) if ((await blobs.size(blob)) === undefined) throw new RegistryError(404, 'MANIFEST_BLOB_UNKNOWN', `blob unknown to registry: ${blob}`);
    for (const other of needed.manifests) if (!manifests.find(repository, other)) throw new RegistryError(404, 'MANIFEST_UNKNOWN', `manifest unknown: ${other}`);
    const mediaType = [call.request.headers['content-type']].flat()[0] ?? manifest.mediaType ?? defaultMediaType;
    manifests.put({ repository, digest, mediaType, text }, reference.includes(':') ? undefined : reference);
    await ledger.flush();
    reply(call, 201, { headers: { location: `/v2/${repository}/manifests/${digest}`, 'docker-content-digest': digest, ...(manifest.subject?.digest ? { 'oci-subject': manifest.subject.digest } : {}) } });
  };
  const manifest = async (call: Call, path: { repository: string; reference: string }): Promise<void> => {
    const { repository, reference } = path;
    switch (call.request.method) {
      case 'GET':
      case 'HEAD': {
        const found = manifests.find(repository, reference);
        if (!found) throw unknownManifest;
        return reply(call, 200, { headers: { 'content-type': found.mediaType, 'docker-content-digest': found.digest }, body: found.text });
      }
      case 'PUT':
        return putManifest(call, path);
      case 'DELETE':
        if (!manifests.remove(repository, reference)) throw unknownManifest;
        await ledger.flush();
        return reply(call, 202);
      default:
        throw notAllowed;
    }
  };
  const blob = async (call: Call, { repository, digest }: { repository: string; digest: string }): Promise<void> => {
    const size = await blobs.size(digest);
    if (size === undefined) throw unknownBlob;
    const headers = { ...apiVersion, 'content-type': 'application/octet-stream', 'docker-content-digest': digest, 'accept-ranges': 'bytes' };
    if (call.request.method === 'HEAD') return call.response.stream(200, { ...headers, 'content-length': String(size) }).end();
    if (call.request.method === 'DELETE') {
      if (manifests.needs(repository, digest)) throw new RegistryError(409, 'DENIED', 'blob is needed by a manifest');
      await blobs.remove(digest);
      return reply(call, 202);
    }
    if (call.request.method !== 'GET') throw notAllowed;
    const from = Number(/^bytes=(\d+)-$/.exec([call.request.headers['range']].flat().join(''))?.[1] ?? 0);
    if (from >= size && size > 0) throw new RegistryError(416, 'RANGE_INVALID', 'invalid content range');
    const range = from ? { 'content-range': `bytes ${from}-${size - 1}/${size}` } : {};
    await sendStream(call.response, { ...headers, ...range, 'content-length': String(size - from) }, { status: from ? 206 : 200, pieces: blobs.read(digest, from) });
  };
  const progress = (repository: string, upload: string, size: number): HttpHeaders => ({ location: `/v2/${repository}/blobs/uploads/${upload}`, 'docker-upload-uuid': upload, range: `0-${Math.max(0, size - 1)}` });
  const finish = async (call: Call, { repository, upload, digest }: { repository: string; upload: string; digest: string }): Promise<void> => {
    if (!(await blobs.commit(upload, digest))) throw new RegistryError(400, 'DIGEST_INVALID', 'provided digest did not match uploaded content');
    reply(call, 201, { headers: { location: `/v2/${repository}/blobs/${digest}`, 'docker-content-digest': digest } });
  };
  const startUpload = async (call: Call, { repository }: { repository: string }): Promise<void> => {
    if (call.request.method !== 'POST') throw notAllowed;
    const mount = call.query.get('mount');
    if (mount && (await blobs.size(checkDigest(mount))) !== undefined) return reply(call, 201, { headers: { location: `/v2/${repository}/blobs/${mount}`, 'docker-content-digest': mount } });
    const upload = env.random.uuid();
    const size = await blobs.append(upload, call.request.bodyStream());
    const digest = call.query.get('digest');
    if (digest) return finish(call, { repository, upload, digest: checkDigest(digest) });
    reply(call, 202, { headers: progress(repository, upload, size) });
  };
  const continueUpload = async (call: Call, { repository, upload }: { repository: string; upload: string }): Promise<void> => {
    const { method, headers } = call.request;
    const size = await blobs.uploaded(upload);
    if (size === undefined) throw new RegistryError(404, 'BLOB_UPLOAD_UNKNOWN', 'blob upload unknown to registry');
    if (method === 'GET') return reply(call, 204, { headers: progress(repository, upload, size) });
    if (method === 'DELETE') {
      await blobs.discard(upload);
      return reply(call, 204);
    }
    if (method !== 'PATCH' && method !== 'PUT') throw notAllowed;
    const begins = /^(\d+)-\d+$/.exec([headers['content-range']].flat().join(''))?.[1];
    if (begins !== undefined && Number(begins) !== size) throw new RegistryError(416, 'RANGE_INVALID', 'invalid content range');
    const digest = method === 'PUT' ? checkDigest(call.query.get('digest') ?? '') : '';
    const now = await blobs.append(upload, call.request.bodyStream());
    if (method === 'PUT') return finish(call, { repository, upload, digest });
    reply(call, 202, { headers: progress(repository, upload, now) });
  };
  const answer = (call: Call, path: RegistryPath): void | Promise<void> => {
    const reads = call.request.method === 'GET' || call.request.method === 'HEAD';
    switch (path.kind) {
      case 'manifest':
        return manifest(call, path);
      case 'blob':
        return blob(call, path);
      case 'start-upload':
        return startUpload(call, path);
      case 'upload':
        return continueUpload(call, path);
      default:
        break;
    }
    if (!reads) throw notAllowed;
    if (path.kind === 'base') return json(call, {});
    if (path.kind === 'catalog') {
      const { page, headers } = paged(call, manifests.repositories());
      return json(call, { repositories: page }, headers);
    }
    if (path.kind === 'tags') {
      if (!manifests.repositories().includes(path.repository)) throw new RegistryError(404, 'NAME_UNKNOWN', 'repository name not known to registry');
      const { page, headers } = paged(call, manifests.tags(path.repository));
      return json(call, { name: path.repository, tags: page }, headers);
    }
    const index = { schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests: manifests.referrers(path.repository, path.digest) };
    return json(call, index, { 'content-type': index.mediaType });
  };
  return {
    async request(request, response) {
      const [pathname = '', search = ''] = request.url.split('?');
      const call: Call = { request, response, query: new URLSearchParams(search) };
      try {
        const path = parsePath(pathname.replaceAll('%2F', '/').replaceAll(/%3[Aa]/g, ':'));
        authorize(call, path);
        await answer(call, path);
      } catch (error) {
        const { status, code, message } = refusalOf(error);
        if (status === 500) env.log.warn('the registry failed', { error });
        const challenge = status === 401 ? { 'www-authenticate': 'Basic realm="registry"' } : {};
        reply(call, status, { headers: { 'content-type': 'application/json', ...challenge }, body: JSON.stringify({ errors: [{ code, message }] }) });
      }
    },
  };
}
