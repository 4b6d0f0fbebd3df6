/** Users and groups of a container, from its own `/etc/passwd` and `/etc/group`. */
import { invalid } from '../../errors.ts';
import type { SpecUser } from '../spec/types.ts';

/** The two files' text; empty where a file is missing. */
export interface AccountFiles {
  readonly passwd: string;
  readonly group: string;
}

interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

interface Group {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

const ID_MAX = 0x7fff_ffff;

/**
 * Resolves `user[:group]`, each a name or a number, and further groups.
 *
 * @throws EngineApiError `invalid_argument` for names that the files do not have, and numbers out of range
 */
export function resolveUser(spec: string, groupAdd: readonly string[], files: AccountFiles): SpecUser {
  const [userPart = '', groupPart = ''] = spec.split(':', 2);
  const groups = parseGroups(files.group);
  const { user, name } = findUser(userPart, parseUsers(files.passwd));
  const gid = groupPart === '' ? user.gid : findGroup(groupPart, groups);
  const own = groupPart === '' && name !== undefined ? groups.filter((group) => group.members.includes(name)).map((group) => group.gid) : [];
  return { uid: user.uid, gid, additionalGids: [...new Set([...own, ...groupAdd.map((group) => findGroup(group, groups))])] };
}

function findUser(part: string, users: readonly User[]): { user: { uid: number; gid: number }; name: string | undefined } {
  const uid = numberOf(part === '' ? '0' : part);
  const named = users.find((user) => (uid === undefined ? user.name === part : user.uid === uid)) ?? users.find((user) => user.name === part);
  if (named) return { user: named, name: named.name };
  if (uid === undefined) throw invalid(`unable to find user ${part}: no matching entries in passwd file`, 'NO_SUCH_USER');
  if (uid > ID_MAX) throw invalid('uids and gids must be in range 0-2147483647', 'NO_SUCH_USER');
  return { user: { uid, gid: 0 }, name: undefined };
}

function findGroup(part: string, groups: readonly Group[]): number {
  const gid = numberOf(part);
  const named = groups.find((group) => group.name === part);
  if (named) return named.gid;
  if (gid === undefined) throw invalid(`unable to find group ${part}: no matching entries in group file`, 'NO_SUCH_GROUP');
  if (gid > ID_MAX) throw invalid('uids and gids must be in range 0-2147483647', 'NO_SUCH_GROUP');
  return gid;
}

function numberOf(text: string): number | undefined {
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function parseUsers(text: string): User[] {
  return fields(text).flatMap(([name = '', , uid = '', gid = '']) =>
    name !== '' && numberOf(uid) !== undefined && numberOf(gid) !== undefined ? [{ name, uid: Number(uid), gid: Number(gid) }] : []);
}

function parseGroups(text: string): Group[] {
  return fields(text).flatMap(([name = '', , gid = '', members = '']) =>
    name !== '' && numberOf(gid) !== undefined ? [{ name, gid: Number(gid), members: members.split(',').filter((member) => member !== '') }] : []);
}

function fields(text: string): string[][] {
  return text.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#')).map((line) => line.trim().split(':'));
}
