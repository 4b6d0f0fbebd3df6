export type { LoadStore } from './archive-files.ts';
export { importRootfs, type ImportOptions } from './import.ts';
export { loadArchive, type LoadedImage, loadedMessages, type LoadOptions } from './load.ts';
export { saveArchive, type SavedImage } from './save.ts';
export { LayoutFolder } from './layout-folder.ts';
