import type { ImageDefinition } from './define-image.ts';
import { pauseProgram } from './pause.ts';

/** Runs quietly until told to end. Also stands in for any command that an image of unknown content is asked to run. */
export const quietProgram = pauseProgram;

/** Images nobody has defined: the busybox tools are there, everything else runs quietly. */
export const unknown: ImageDefinition = {
  names: [],
  entrypoint: ['/usr/local/bin/docker-entrypoint'],
  programs: { '/usr/local/bin/docker-entrypoint': quietProgram },
  lenient: true,
  sizeBytes: 48_000_000,
  memoryBytes: 12 * 1024 * 1024,
};
