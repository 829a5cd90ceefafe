import type { RequestInfo, UserInfo } from './request-info.ts';

/** Field and label selectors of a list, watch or deletecollection, as sent. */
export interface AuthorizationAttributes {
  readonly user: UserInfo;
  readonly info: RequestInfo;
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
}

export interface Decision {
  readonly decision: 'allow' | 'deny' | 'noOpinion';
  /** Shown to the client in the 403 message when nobody allowed. */
  readonly reason: string;
}

/** Asked in order: the first allow or deny decides; if all have no opinion the request is denied. No authorizer at all allows everything. */
export interface Authorizer {
  readonly name: string;
  authorize(attributes: AuthorizationAttributes): Promise<Decision> | Decision;
}
