import type { UserInfo } from './request-info.ts';

/** A create that answers at once and stores nothing by itself: reviews, token requests. */
export interface ReviewRequest {
  readonly user: UserInfo;
  readonly namespace: string;
  /** Of subresources (`serviceaccounts/token`): the parent's name. */
  readonly name: string;
  /** The posted object; of a resource of its own defaulted and validated by its kind, of a subresource as decoded. May be changed and returned. */
  readonly object: any;
  readonly dryRun: boolean;
  /** Adds a `Warning` header to the reply; absent where there is none. */
  readonly warn?: (text: string) => void;
  /** Adds to the audit record of the request. */
  readonly annotate?: (key: string, value: string) => void;
}

/**
 * Answers POST to a resource without storage (tokenreviews, subjectaccessreviews, selfsubjectreviews …) or to a
 * subresource of a stored one (`serviceaccounts` with subresource `token`). What it returns is the 201 body.
 */
export interface ReviewHandler {
  readonly group: string;
  readonly resource: string;
  /** Empty for a resource of its own. */
  readonly subresource: string;
  create(request: ReviewRequest): Promise<object> | object;
}
