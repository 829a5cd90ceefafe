import type { Proc } from '../process/proc.ts';
import { signals } from '../process/signals.ts';
import type { ImageDefinition } from './define-image.ts';

/** Waits for a signal to end it; uses nothing meanwhile. */
export function pauseProgram(proc: Proc): Promise<number> {
  return new Promise((resolve) => {
    const end = (): void => resolve(0);
    for (const signal of [signals.TERM, signals.INT]) proc.onSignal(signal, end);
  });
}

export const pause: ImageDefinition = {
  names: ['registry.k8s.io/pause', 'k8s.gcr.io/pause', 'gcr.io/google_containers/pause', 'registry.k8s.io/e2e-test-images/pause', 'rancher/mirrored-pause'],
  base: 'none',
  entrypoint: ['/pause'],
  programs: { '/pause': pauseProgram },
  user: '65535:65535',
  sizeBytes: 321_520,
  memoryBytes: 400 * 1024,
};
