export { containerEnv, DEFAULT_PATH, imageAnnotations, mergeEnv, type ProcessRequest, resolveArgs, resolveProcess, resolveWorkingDir, type SpecProcess, withHome } from './process.ts';
export { ACCOUNT_FILE_BYTES_MAX, ID_MAX, type ReadImageFile, resolveUser, type ResolvedUser } from './user.ts';
export { defaultSpec, type RuntimeSpec } from './default-spec.ts';
export { unpackBundle, type UnpackBundleOptions } from './unpack-bundle.ts';
