import { setFlagsFromString } from 'node:v8';

/** The first version of V8 that has the flag (Node 24). */
const firstVersion = 13;

/**
 * From now on V8 takes buffers for a part of the heap, whose growth says when it is collected. By itself it collects all of the heap each time 64 MB
 * of buffers have been made since the last time, however large the heap is: a cluster that writes much makes them every few seconds, and
 * looking through some hundred megabytes of objects that often takes a third of its processor time.
 */
export function countBuffersAsHeap(): void {
  if (Number.parseInt(process.versions.v8, 10) >= firstVersion) setFlagsFromString('--external-memory-accounted-in-global-limit');
}
