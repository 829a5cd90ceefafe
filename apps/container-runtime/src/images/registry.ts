import type { ImageReference } from './reference.ts';
import { parseReference } from './reference.ts';
import { type EmulatedImage, defineImage } from './define-image.ts';
import { baseLayer } from './busybox.ts';
import { definitions } from './index.ts';
import { unknown } from './unknown.ts';

const unknownImage = defineImage(unknown, baseLayer);

const byRepository: ReadonlyMap<string, EmulatedImage> = new Map(
  definitions.flatMap((definition) => {
    const image = defineImage(definition, baseLayer);
    return definition.names.map((name) => [parseReference(name)?.repository ?? name, image] as const);
  }),
);

/** Why a reference cannot be pulled. */
export type Missing = 'no such host' | 'not found' | 'forbidden';

/** Registries that ask everybody for credentials; what they let in is not checked. */
const privateHost = /^private\./;

/** Registries and names that never answer; `.invalid` and `.example` are reserved for that by RFC 2606. */
export function missing({ domain, path, tag }: ImageReference, image: EmulatedImage | undefined, hasLogin: boolean): Missing | undefined {
  const host = domain.split(':')[0] ?? '';
  if (host.startsWith('invalid.') || /\.(?:invalid|example)$/.test(host)) return 'no such host';
  if (/nonexist|non-exist|doesnotexist|does-not-exist|no-such|webserver:404/.test(`${path}:${tag}`)) return 'not found';
  if (!hasLogin && (image?.needsLogin || privateHost.test(host))) return 'forbidden';
  return image?.missingTags?.includes(tag) ? 'not found' : undefined;
}

/** The emulation of a repository; official images are also known behind mirrors (`mirror.example.org/library/nginx`). */
export function emulationOf(reference: ImageReference): { image: EmulatedImage; known: boolean } {
  const official = /(?:^|\/)library\/([^/]+)$/.exec(reference.path)?.[1];
  const image = byRepository.get(reference.repository) ?? (official ? byRepository.get(`docker.io/library/${official}`) : undefined);
  const tagEnv = image?.tagEnv?.[reference.tag];
  if (image && tagEnv) return { image: { ...image, env: { ...image.env, ...tagEnv } }, known: true };
  return image ? { image, known: true } : { image: unknownImage, known: false };
}
