import { alpine, busybox } from './busybox.ts';
import type { ImageDefinition } from './define-image.ts';
import { pause } from './pause.ts';

/** Every emulated image: one file, one line. */
export const definitions: readonly ImageDefinition[] = [pause, busybox, alpine];
