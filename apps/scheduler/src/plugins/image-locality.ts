import { definePlugin, maxNodeScore } from '../framework/types.ts';

const mebibyte = 1024 * 1024;
/** Below the first, an image counts nothing; above the second (a container), no more. */
const minBytes = 23 * mebibyte;
const maxBytesPerContainer = 1000 * mebibyte;

function normalised(image: string): string {
  return image.lastIndexOf(':') <= image.lastIndexOf('/') ? `${image}:latest` : image;
}

/** Prefers nodes that already have the pod's images, weighed by size and by how widely they are spread. */
export const imageLocality = definePlugin({
  name: 'ImageLocality',
  create: (handle) => ({
    name: 'ImageLocality',
    score(_state, { pod }, node) {
      if (node.images.size === 0) return 0;
      const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
      const nodes = handle.snapshot().nodes;
      let bytes = 0;
      for (const container of containers) {
        const name = normalised(container.image ?? '');
        const size = node.images.get(name);
        if (size === undefined) continue;
        const spread = nodes.filter((other) => other.images.has(name)).length / nodes.length;
        bytes += Math.floor(size * spread);
      }
      const max = maxBytesPerContainer * containers.length;
      const clamped = Math.min(max, Math.max(minBytes, bytes));
      return Math.floor((maxNodeScore * (clamped - minBytes)) / (max - minBytes));
    },
  }),
});
