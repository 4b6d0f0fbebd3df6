import { canonicalReference } from '@dray/oci-image';
import { conflict, notFound } from '../errors.ts';
import { type CataloguedImage, recordsOf } from './image-catalog.ts';
import { danglingRecordName, parseName } from './image-names.ts';
import type { ImageStore } from './image-store.ts';

/** One line of the answer to a removal. */
export type RemovalLine = { readonly Untagged: string } | { readonly Deleted: string };

/** How hard to try. */
export interface RemovalOptions { readonly force: boolean }

type Reference = ReturnType<typeof recordsOf>[number];

const shortId = (id: string): string => id.replace(/^sha256:/, '').slice(0, 12);

/** Removes a name, and with the last name the image; or, by id, the image with its names. @throws EngineApiError not_found, conflict in dockerd's words */
export function removeImage(store: ImageStore, text: string, options: RemovalOptions): Promise<RemovalLine[]> {
  return store.renaming(async () => {
    const found = await store.find(text);
    const image = await store.catalog.ofId(found.id);
    if (image === undefined) throw notFound(`No such image: ${text}`, 'NO_SUCH_IMAGE');
    const references = [...recordsOf(image, 'tag'), ...recordsOf(image, 'digest')];
    const isById = image.id.startsWith(text) || image.id.slice('sha256:'.length).startsWith(text);
    return isById ? removeById(store, image, references, options) : removeByName(store, image, references, text, options);
  });
}

async function removeByName(store: ImageStore, image: CataloguedImage, references: readonly Reference[], text: string, { force }: RemovalOptions): Promise<RemovalLine[]> {
  const user = store.containers().find((container) => container.imageId === image.id);
  if (!force && isSingle(references) && user !== undefined) {
    throw conflict(`conflict: unable to remove repository reference ${JSON.stringify(text)} (must force) - container ${shortId(user.id)} is using its referenced image ${shortId(image.id)}`, 'IMAGE_IN_USE');
  }
  const wanted = parseName(text);
  const wantedName = canonicalReference(wanted.digest === undefined ? wanted : { domain: wanted.domain, path: wanted.path, digest: wanted.digest });
  const removed = references.filter(({ record }) => record.name === wantedName);
  // Digests of a repository go with its last tag.
  const isLastTag = wanted.digest === undefined && !references.some((reference) => reference.name.kind === 'tag' && reference.name.repository === removed[0]?.name.repository && !removed.includes(reference));
  if (isLastTag) removed.push(...references.filter((reference) => reference.name.kind === 'digest' && reference.name.repository === removed[0]?.name.repository));
  const isLast = removed.length === references.length;
  const blocker = isLast ? conflictOf(store, image, { isSoft: !force }) : undefined;
  if (isLast && blocker === undefined) return dropAll(store, image, references);
  if (isLast) await store.keepDangling(image, removed.map(({ record }) => record.name));
  return untag(store, image, removed);
}

async function removeById(store: ImageStore, image: CataloguedImage, references: readonly Reference[], { force }: RemovalOptions): Promise<RemovalLine[]> {
  const reason = conflictOf(store, image, { isSoft: !force }) ?? (!force && !isSingle(references) && references.length > 1 ? { isHard: false, message: 'image is referenced in multiple repositories' } : undefined);
  if (reason !== undefined) throw conflict(`conflict: unable to delete ${shortId(image.id)} (${reason.isHard ? 'cannot be forced' : 'must be forced'}) - ${reason.message}`, 'IMAGE_IN_USE');
  return dropAll(store, image, references);
}

/** What forbids deleting an image; with `isSoft` also what force would overcome. */
function conflictOf(store: ImageStore, image: CataloguedImage, { isSoft }: { isSoft: boolean }): { isHard: boolean; message: string } | undefined {
  const users = store.containers().filter((container) => container.imageId === image.id);
  const running = users.find((container) => container.isRunning);
  if (running !== undefined) return { isHard: true, message: `image is being used by running container ${shortId(running.id)}` };
  const stopped = users[0];
  return isSoft && stopped !== undefined ? { isHard: false, message: `image is being used by stopped container ${shortId(stopped.id)}` } : undefined;
}

/** Whether all names are of one repository, with one tag at most. */
function isSingle(references: readonly Reference[]): boolean {
  if (references.length <= 1) return true;
  return references.filter(({ name }) => name.kind === 'tag').length <= 1 && new Set(references.map(({ name }) => name.repository)).size === 1;
}

async function untag(store: ImageStore, image: CataloguedImage, removed: readonly Reference[]): Promise<RemovalLine[]> {
  for (const { record } of removed) {
    await store.catalog.records.remove(record.name);
    store.announce('untag', image.id, image.id, image.config.config?.Labels);
  }
  return removed.map(({ name }) => ({ Untagged: name.familiar }));
}

/** Removes all names, and waits until the layers that only this image had are gone. */
async function dropAll(store: ImageStore, image: CataloguedImage, references: readonly Reference[]): Promise<RemovalLine[]> {
  const others = new Set((await store.catalog.list()).filter((other) => other.id !== image.id).flatMap((other) => other.chainIds));
  const layers = image.chainIds.filter((chainId) => !others.has(chainId)).reverse();
  const lines = await untag(store, image, references);
  const known = new Set(references.map(({ record }) => record.name));
  for (const { record } of image.records) if (!known.has(record.name)) await store.catalog.records.remove(record.name);
  await collectGarbage(store, image);
  store.forgetUnpacked(image);
  store.announce('delete', image.id, image.id, image.config.config?.Labels);
  return [...lines, { Deleted: image.id }, ...layers.map((layer) => ({ Deleted: layer }))];
}

/** containerd collects when it is asked to delete something synchronously: here a name that exists for this alone. */
async function collectGarbage(store: ImageStore, image: CataloguedImage): Promise<void> {
  const name = danglingRecordName(image.image.descriptor);
  await store.catalog.records.put(name, image.image.descriptor);
  await store.catalog.records.remove(name, { sync: true });
}
