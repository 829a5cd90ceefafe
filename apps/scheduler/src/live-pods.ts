/** Pods that have not ended: one informer serves everyone who asks with this selection. */
export const livePods = { fieldSelector: 'status.phase!=Succeeded,status.phase!=Failed' } as const;
