import { OciImageError } from '../errors.ts';

/** Reads a file of the image, such as `/etc/passwd`; nothing when it does not exist. It must refuse what is no regular file or larger than {@link ACCOUNT_FILE_BYTES_MAX}. */
export type ReadImageFile = (path: string) => Promise<Uint8Array | undefined>;

/** Largest passwd or group file that is read. */
export const ACCOUNT_FILE_BYTES_MAX: number = 10 * 1024 * 1024;

/** Largest user or group id. */
export const ID_MAX = 2_147_483_647;

/** The ids a process runs under. */
export interface ResolvedUser {
  readonly uid: number;
  readonly gid: number;
  /** Every group, the primary one first. */
  readonly additionalGids: readonly number[];
  /** The home directory of the account; `/` when it has none. */
  readonly home: string;
  /** The account's name, when it has one. */
  readonly userName?: string;
}

interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

interface Group {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/**
 * Resolves docker's user grammar, `user|uid[:group|gid]`, with the image's account files. A number is always a number, never an account's name
 * (CVE-2016-3697, CVE-2026-46680); out of range is an error (CVE-2024-40635). An empty text means uid 0.
 * @param groupAdd further groups, names or numbers
 * @throws OciImageError `USER_NOT_FOUND`, `USER_INVALID`, worded as runc and docker do
 */
export async function resolveUser(text: string, readFile: ReadImageFile, groupAdd: readonly string[] = []): Promise<ResolvedUser> {
  const [userText = '', groupText = '', ...rest] = text.split(':');
  if (rest.length > 0 || /[\0\r\n]/.test(text)) throw new OciImageError('USER_INVALID', `invalid user ${JSON.stringify(text.slice(0, 200))}`);
  const uid = userText === '' ? 0 : parseId(userText);
  const wantedGid = groupText === '' ? undefined : parseId(groupText);
  const account = findAccount(parsePasswd(await readText(readFile, '/etc/passwd')), userText, uid);
  if (account === undefined && uid === undefined) throw new OciImageError('USER_NOT_FOUND', `unable to find user ${userText}: no matching entries in passwd file`);
  const needsGroups = groupText !== '' || account !== undefined || groupAdd.length > 0;
  const groups = needsGroups ? parseGroups(await readText(readFile, '/etc/group')) : [];
  const gid = groupText === '' ? account?.gid ?? 0 : wantedGid ?? findGroup(groups, groupText);
  const supplementary = groupText !== '' || account === undefined ? [] : groups.filter((group) => group.members.includes(account.name)).map((group) => group.gid);
  const added = groupAdd.map((name) => parseId(name) ?? findGroup(groups, name));
  return {
    uid: account?.uid ?? uid ?? 0,
    gid,
    additionalGids: [...new Set([gid, ...supplementary, ...added])],
    home: account === undefined || account.home === '' ? '/' : account.home,
    ...(account === undefined ? {} : { userName: account.name }),
  };
}

/** A number, if the text is one. @throws OciImageError `USER_INVALID` when it is out of range */
function parseId(text: string): number | undefined {
  if (!/^[0-9]+$/.test(text)) return undefined;
  const id = Number(text);
  if (id > ID_MAX) throw new OciImageError('USER_INVALID', `uids and gids must be in range 0-${ID_MAX}`);
  return id;
}

function findAccount(accounts: Iterable<Account>, name: string, uid: number | undefined): Account | undefined {
  for (const account of accounts) if (uid === undefined ? account.name === name : account.uid === uid) return account;
  return undefined;
}

function findGroup(groups: readonly Group[], name: string): number {
  const group = groups.find((candidate) => candidate.name === name);
  if (group === undefined) throw new OciImageError('USER_NOT_FOUND', `unable to find group ${name}: no matching entries in group file`);
  return group.gid;
}

async function readText(readFile: ReadImageFile, path: string): Promise<string> {
  const bytes = await readFile(path);
  if (bytes === undefined) return '';
  if (bytes.byteLength > ACCOUNT_FILE_BYTES_MAX) throw new OciImageError('USER_INVALID', `${path} is larger than ${ACCOUNT_FILE_BYTES_MAX} bytes`, { kind: 'resource_exhausted' });
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

function* parsePasswd(text: string): Generator<Account, void, void> {
  for (const [name = '', , uid = '', gid = '', , home = ''] of fields(text)) {
    if (isId(uid) && isId(gid)) yield { name, uid: Number(uid), gid: Number(gid), home };
  }
}

function parseGroups(text: string): Group[] {
  const groups: Group[] = [];
  for (const [name = '', , gid = '', members = ''] of fields(text)) {
    if (isId(gid)) groups.push({ name, gid: Number(gid), members: members.split(',').map((member) => member.trim()) });
  }
  return groups;
}

function* fields(text: string): Generator<string[], void, void> {
  for (const line of text.split('\n')) {
    const trimmed = line.trim();
    if (trimmed !== '' && !trimmed.startsWith('#')) yield trimmed.split(':').map((field) => field.trim());
  }
}

function isId(text: string): boolean {
  return /^[0-9]+$/.test(text) && Number(text) <= ID_MAX;
}
