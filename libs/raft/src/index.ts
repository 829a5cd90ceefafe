export { applyConfChange } from './configuration.ts';
export type { RaftOptions, ReadState, Role } from './core.ts';
export * from './messages.ts';
export type { Progress } from './progress.ts';
export { Raft, type RaftStatus, type Ready, type Refusal } from './raft.ts';
export { RaftLog } from './raft-log.ts';
