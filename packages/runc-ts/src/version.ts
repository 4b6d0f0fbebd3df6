/** The release of this package; a test compares it with package.json. */
export const VERSION = '0.1.0';

/** The newest version of the runtime specification whose Linux features are covered. */
export const OCI_VERSION_MAX = '1.2.0';

/** What `--version` says is the specification's version. */
export const SPEC_VERSION = '1.2.0';
