export type { FakeScript } from './fake-container.ts';
export { FakeRuntime, type FakeRuntimeOptions } from './fake-runtime.ts';
