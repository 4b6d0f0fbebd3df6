import { DrayClient, endpointFromEnvironment, readCertificates } from '@dray/engine-api/client';

/** A client of the daemon that flags and environment name. Single certificate flags win over `DOCKER_CERT_PATH`. */
export function connect(environment: NodeJS.ProcessEnv = process.env): DrayClient {
  const { DRAY_TLS_CA: ca, DRAY_TLS_CERT: cert, DRAY_TLS_KEY: key } = environment;
  if (ca === undefined && cert === undefined && key === undefined) return DrayClient.fromEnvironment(environment);
  const { host } = endpointFromEnvironment({ ...environment, DOCKER_TLS_VERIFY: '', DOCKER_TLS: '' });
  const verify = (environment['DOCKER_TLS_VERIFY'] ?? '') !== '';
  return new DrayClient({ host, tls: { ...readCertificates({ ...(ca !== undefined && { ca }), ...(cert !== undefined && { cert }), ...(key !== undefined && { key }) }, verify), verify } });
}
