/** What users, roles and permissions can refuse a request for. `errors.ts` gives each its gRPC code and etcd's text. */
export type AuthErrorCode =
  | 'rootUserMissing'
  | 'rootRoleMissing'
  | 'userExists'
  | 'userEmpty'
  | 'userNotFound'
  | 'roleExists'
  | 'roleNotFound'
  | 'roleEmpty'
  | 'authFailed'
  | 'passwordlessUser'
  | 'permissionNotGiven'
  | 'permissionDenied'
  | 'roleNotGranted'
  | 'permissionNotGranted'
  | 'authNotEnabled'
  | 'invalidToken'
  | 'invalidAuthManagement'
  | 'oldAuthRevision';

/** A refusal that depends on nothing but the replicated state: every member refuses the same entry alike. */
export class AuthError extends Error {
  readonly code: AuthErrorCode;

  constructor(code: AuthErrorCode) {
    super(code);
    this.name = 'AuthError';
    this.code = code;
  }
}
