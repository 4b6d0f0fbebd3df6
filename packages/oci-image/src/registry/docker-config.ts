import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { asObject, asString, asStringMap, type JsonObject, optional, parseJson } from '../document.ts';
import { OciImageError } from '../errors.ts';
import { credentialKey, type Credentials, type CredentialSource, hostOfCredentialKey, readAuthConfig } from './credentials.ts';

/** Where docker's client configuration is. */
export interface DockerConfigOptions {
  /** Default: `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`. */
  readonly path?: string;
}

const CONFIG_BYTES_MAX = 4 * 1024 * 1024;
const HELPER_OUTPUT_BYTES_MAX = 64 * 1024;
const HELPER_TIMEOUT_MS = 30_000;
const HELPER_NAME = /^[A-Za-z0-9._-]+$/;
const TOKEN_USER = '<token>';
const NOT_FOUND = 'credentials not found in native keychain';

/**
 * Credentials from docker's config.json, as `docker login` left them: a helper for the registry, else the store, else `auths`. Read at each question; a missing
 * file means none. A helper that is missing or fails is an error: asking somebody else instead would send credentials astray (CVE-2021-41092).
 * @throws OciImageError `INVALID_DOCUMENT`, `CREDENTIAL_HELPER`
 */
export function dockerConfigCredentials(options: DockerConfigOptions = {}): CredentialSource {
  const path = options.path ?? join(process.env['DOCKER_CONFIG'] ?? join(homedir(), '.docker'), 'config.json');
  return async (domain) => {
    const config = await readConfig(path);
    if (config === undefined) return undefined;
    const key = credentialKey(domain);
    const helpers = optional(config, 'config.json', 'credHelpers', asStringMap).credHelpers ?? {};
    const helper = (Object.hasOwn(helpers, domain) ? helpers[domain] : undefined) ?? optional(config, 'config.json', 'credsStore', asString).credsStore;
    if (helper !== undefined && helper !== '') return await askHelper(helper, key);
    return fromAuths(config, key);
  };
}

async function readConfig(path: string): Promise<JsonObject | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return asObject(parseJson(bytes, { what: path, bytesMax: CONFIG_BYTES_MAX }), path);
  } catch {
    throw new OciImageError('INVALID_DOCUMENT', `${path} is not valid JSON`); // Without the cause, which quotes the text.
  }
}

function fromAuths(config: JsonObject, key: string): Credentials | undefined {
  const auths = optional(config, 'config.json', 'auths', asObject).auths ?? {};
  const name = Object.hasOwn(auths, key) ? key : Object.keys(auths).find((candidate) => hostOfCredentialKey(candidate) === hostOfCredentialKey(key));
  return name === undefined ? undefined : readAuthConfig(auths[name], 'config.json.auths');
}

async function askHelper(name: string, serverUrl: string): Promise<Credentials | undefined> {
  if (!HELPER_NAME.test(name)) throw new OciImageError('CREDENTIAL_HELPER', `credential helper ${JSON.stringify(name)} has no valid name`);
  const program = `docker-credential-${name}`;
  const { code, output } = await runHelper(program, serverUrl);
  if (code !== 0) {
    if (output.trim() === NOT_FOUND) return undefined;
    throw new OciImageError('CREDENTIAL_HELPER', `${program} failed with exit code ${code}`);
  }
  try {
    const answer = asObject(JSON.parse(output), program);
    const username = asString(answer['Username'], program);
    const secret = asString(answer['Secret'], program);
    if (username === '' && secret === '') return undefined;
    return username === TOKEN_USER ? { kind: 'identity', token: secret } : { kind: 'basic', username, password: secret };
  } catch {
    throw new OciImageError('CREDENTIAL_HELPER', `${program} gave no valid answer`); // Without the cause, which quotes the secret.
  }
}

async function runHelper(program: string, input: string): Promise<{ readonly code: number; readonly output: string }> {
  return await new Promise((resolve, reject) => {
    const child = spawn(program, ['get'], { stdio: ['pipe', 'pipe', 'ignore'], timeout: HELPER_TIMEOUT_MS, killSignal: 'SIGKILL' });
    const chunks: Buffer[] = [];
    let size = 0;
    child.on('error', (error) => {
      reject(new OciImageError('CREDENTIAL_HELPER', `cannot run ${program}: ${'code' in error ? String(error.code) : error.message}`));
    });
    child.stdin.on('error', () => { /* A helper need not read its input. */ });
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > HELPER_OUTPUT_BYTES_MAX) child.kill('SIGKILL');
      else chunks.push(chunk);
    });
    child.on('close', (code) => {
      resolve({ code: code ?? -1, output: Buffer.concat(chunks).toString('utf8') });
    });
    child.stdin.end(input);
  });
}
