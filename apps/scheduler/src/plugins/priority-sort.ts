import { definePlugin } from '../framework/types.ts';

/** Higher priority first, then first come first served. */
export const prioritySort = definePlugin({
  name: 'PrioritySort',
  create: () => ({
    name: 'PrioritySort',
    less: (a, b) => (a.info.priority !== b.info.priority ? a.info.priority > b.info.priority : a.firstMs < b.firstMs),
  }),
});
