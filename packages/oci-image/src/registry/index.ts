export { type FetchBlobOptions, type FetchedManifest, RegistryClient, type RegistryClientOptions } from './client.ts';
export { credentialKey, type Credentials, type CredentialSource, fixedCredentials, parseRegistryAuth } from './credentials.ts';
export type { HostOptions } from './hosts.ts';
export type { RetryOptions } from './retry.ts';
export { type HttpRequest, type HttpResponse, type HttpTransportOptions, type Transport } from './transport.ts';
export { type DockerFailure, dockerPullFailure } from './docker-wording.ts';
export { type Challenge, parseChallenges } from './challenge.ts';
export type { PushedBlob, UploadBlobOptions } from './upload.ts';
export { dockerConfigCredentials, type DockerConfigOptions } from './docker-config.ts';
