export { API_VERSION, API_VERSION_MIN, type ApiVersion, NEWEST_VERSION, parseApiVersion } from './api-version.ts';
export { httpStatusOf } from './error-status.ts';
export { Filters, parseFilters } from './filters.ts';
export { Query } from './query.ts';
export type { HijackOptions, HttpMethod, Route, RouteContext, StreamOptions } from './route.ts';
export { HttpApi, type HttpApiOptions } from './http-api.ts';
export { type ListenAddress, type Listener, type TlsSettings, describe as describeAddress, listen } from './listener.ts';
