export type FsErrorCode =
  | 'ENOENT' | 'EEXIST' | 'ENOTDIR' | 'EISDIR' | 'ENOTEMPTY' | 'EROFS' | 'EACCES' | 'ELOOP' | 'EINVAL' | 'EBUSY' | 'EPERM' | 'EBADF' | 'ENXIO' | 'ENOSPC' | 'EXDEV' | 'ENODEV' | 'ENOTBLK';

/** The texts of strerror(3) as busybox prints them. */
const texts: Record<FsErrorCode, string> = {
  ENOENT: 'No such file or directory',
  EEXIST: 'File exists',
  ENOTDIR: 'Not a directory',
  EISDIR: 'Is a directory',
  ENOTEMPTY: 'Directory not empty',
  EROFS: 'Read-only file system',
  EACCES: 'Permission denied',
  ELOOP: 'Symbolic link loop',
  EINVAL: 'Invalid argument',
  EBUSY: 'Device or resource busy',
  EPERM: 'Operation not permitted',
  EBADF: 'Bad file descriptor',
  ENXIO: 'No such device or address',
  ENOSPC: 'No space left on device',
  ENODEV: 'No such device',
  ENOTBLK: 'Block device required',
  EXDEV: 'Invalid cross-device link',
};

/** A failed file operation; the message is the text of the error code alone. */
export class FsError extends Error {
  readonly code: FsErrorCode;
  readonly path: string;

  constructor(code: FsErrorCode, path = '') {
    super(texts[code]);
    this.name = 'FsError';
    this.code = code;
    this.path = path;
  }
}
