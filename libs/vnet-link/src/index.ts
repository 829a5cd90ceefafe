export * from './control.ts';
export * from './link.ts';
export * from './peers.ts';
export * from './membership.ts';
export * from './own-switch.ts';
export { type Page, type PagesAt, servePages } from './pages.ts';
export { membersOnly } from './members-only.ts';
