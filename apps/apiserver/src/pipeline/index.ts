export * from './admission.ts';
export * from './authentication.ts';
export * from './authorization.ts';
export * from './connect.ts';
export * from './plugin-set.ts';
export * from './reinvocation.ts';
export * from './request-info.ts';
export * from './virtual.ts';
