export * from './channel.ts';
export * from './log-source.ts';
export * from './memory-logs.ts';
export * from './memory-volume-host.ts';
export * from './volume-host.ts';
export * from './node/directory-volume-host.ts';
export * from './node/file-log-source.ts';
