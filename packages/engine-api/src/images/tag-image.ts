import { familiarReference, withDefaultTag, withTag } from '@dray/oci-image';
import { invalid } from '../errors.ts';
import { type ImageStore, parseBareName } from './image-store.ts';

/** Gives an image a further name, as `docker tag` does: silently taking it from another. @throws EngineApiError invalid_argument, not_found */
export async function tagImage(store: ImageStore, source: string, repository: string, tag: string): Promise<void> {
  const bare = parseBareName(repository);
  if (bare.digest !== undefined) throw invalid('refusing to create a tag with a digest reference', 'INVALID_REFERENCE');
  const reference = withDefaultTag(tag === '' ? bare : withTag(bare, tag));
  const image = await store.find(source);
  await store.setName(reference, image);
  store.announce('tag', image.id, familiarReference(reference), image.config.config?.Labels);
}
