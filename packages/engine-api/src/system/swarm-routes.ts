import { EngineApiError, invalid, notFound, notImplemented } from '../errors.ts';
import type { HttpMethod, Route, RouteContext } from '../http/index.ts';

const NOT_A_MANAGER = 'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.';

/** What a node that is in no swarm answers only a manager could. */
const MANAGER_ONLY: readonly (readonly [HttpMethod, string])[] = [
  ['GET', '/swarm'], ['POST', '/swarm/update'], ['GET', '/swarm/unlockkey'], ['POST', '/swarm/unlock'],
  ['GET', '/nodes'], ['GET', '/nodes/{id}'], ['DELETE', '/nodes/{id}'], ['POST', '/nodes/{id}/update'],
  ['GET', '/services'], ['POST', '/services/create'], ['GET', '/services/{id}'], ['DELETE', '/services/{id}'], ['POST', '/services/{id}/update'], ['GET', '/services/{id}/logs'],
  ['GET', '/tasks'], ['GET', '/tasks/{id}'], ['GET', '/tasks/{id}/logs'],
  ['GET', '/secrets'], ['POST', '/secrets/create'], ['GET', '/secrets/{id}'], ['DELETE', '/secrets/{id}'], ['POST', '/secrets/{id}/update'],
  ['GET', '/configs'], ['POST', '/configs/create'], ['GET', '/configs/{id}'], ['DELETE', '/configs/{id}'], ['POST', '/configs/{id}/update'],
];

/** Endpoints of swarms and plugins, answered as a node without either answers. */
export function swarmRoutes(): Route[] {
  return [
    ...MANAGER_ONLY.map(([method, path]): Route => ({ method, path, handle: refuse(() => new EngineApiError('unavailable', 'NOT_A_MANAGER', NOT_A_MANAGER)) })),
    { method: 'POST', path: '/swarm/leave', handle: refuse(() => new EngineApiError('unavailable', 'NOT_IN_SWARM', 'This node is not part of a swarm')) },
    { method: 'POST', path: '/swarm/init', handle: refuse(() => notImplemented('swarm mode is not implemented')) },
    { method: 'POST', path: '/swarm/join', handle: refuse(() => notImplemented('swarm mode is not implemented')) },
    { method: 'GET', path: '/plugins', handle: (context) => {
      context.query.filters(['capability', 'enabled']);
      context.sendJson(200, []);
    } },
    ...pluginRoutes(),
    { method: 'POST', path: '/session', handle: refuse(() => invalid('no upgrade proto in request')) },
  ];
}

function pluginRoutes(): Route[] {
  const missing = (context: RouteContext): EngineApiError => notFound(`plugin ${JSON.stringify(context.params['name'] ?? '')} not found`, 'NO_SUCH_PLUGIN');
  const unsupported = (): EngineApiError => notImplemented('plugins are not implemented');
  return [
    { method: 'GET', path: '/plugins/{name}/json', handle: refuse(missing) },
    { method: 'DELETE', path: '/plugins/{name}', handle: refuse(missing) },
    ...['enable', 'disable', 'set', 'push', 'upgrade'].map((verb): Route => ({ method: 'POST', path: `/plugins/{name}/${verb}`, handle: refuse(missing) })),
    { method: 'GET', path: '/plugins/privileges', handle: refuse(unsupported) },
    { method: 'POST', path: '/plugins/pull', handle: refuse(unsupported) },
    { method: 'POST', path: '/plugins/create', handle: refuse(unsupported) },
  ];
}

/** Reads the request to its end, so that the client sees the answer, then refuses. */
function refuse(reason: (context: RouteContext) => EngineApiError): Route['handle'] {
  return async (context) => {
    if (context.request.method !== 'GET') context.request.resume();
    throw reason(context);
  };
}
