import type { PodInfo } from '../cache/pod-info.ts';
import { skip } from '../framework/status.ts';
import { definePlugin, maxNodeScore } from '../framework/types.ts';

const mebibyte = 1024 * 1024;
/** Below the first, an image counts nothing; above the second (a container), no more. */
const minBytes = 23 * mebibyte;
const maxBytesPerContainer = 1000 * mebibyte;

function normalised(image: string): string {
  return image.lastIndexOf(':') <= image.lastIndexOf('/') ? `${image}:latest` : image;
}

interface State {
  /** Images of the pod that some node has, and the share of nodes that have each; an image of two containers counts twice. */
  readonly images: readonly { readonly name: string; readonly spread: number }[];
  readonly max: number;
}

const name = 'ImageLocality';

/** Prefers nodes that already have the pod's images, weighed by size and by how widely they are spread. */
export const imageLocality = definePlugin({
  name,
  create: (handle) => {
    const imagesOf = ({ pod }: PodInfo): string[] => {
      const found: string[] = [];
      for (const { image } of pod.spec?.initContainers ?? []) found.push(normalised(image ?? ''));
      for (const { image } of pod.spec?.containers ?? []) found.push(normalised(image ?? ''));
      for (const volume of pod.spec?.volumes ?? []) if (volume.image?.reference) found.push(normalised(volume.image.reference));
      return found;
    };
    return {
      name,
      preScore(state, pod) {
        const wanted = imagesOf(pod);
        const { nodes, imageNodes } = handle.snapshot();
        const have = (image: string): number => imageNodes?.(image) ?? nodes.filter((node) => node.images.has(image)).length;
        const images: { name: string; spread: number }[] = [];
        for (const image of wanted) {
          const count = have(image);
          if (count) images.push({ name: image, spread: count / nodes.length });
        }
        if (images.length === 0) return skip;
        state.set(name, { images, max: maxBytesPerContainer * wanted.length } satisfies State);
        return undefined;
      },
      score(state, _pod, node) {
        const { images, max } = state.get(name) as State;
        let bytes = 0;
        for (const { name: image, spread } of images) bytes += Math.floor((node.images.get(image) ?? 0) * spread);
        const clamped = Math.min(max, Math.max(minBytes, bytes));
        return Math.floor((maxNodeScore * (clamped - minBytes)) / (max - minBytes));
      },
    };
  },
});
