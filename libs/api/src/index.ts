export * from './admissionregistration/index.ts';
export { approvalOf } from './apiextensions/v1/crd/approval.ts';
export * from './custom/index.ts';
export * from './define-kind.ts';
export * from './equality.ts';
export * from './kind.ts';
export * from './kinds.ts';
export * from './resources.ts';
export * from './schema/index.ts';
