/** The endpoints of exec. */
import { notFound } from '../../errors.ts';
import type { Route, RouteContext } from '../../http/index.ts';
import { createExec, inspectExec, refuseExecStart, resizeExec, startExec, type Exec } from '../exec/exec.ts';
import { decodeExecRequest, decodeExecStart } from '../exec/request.ts';
import type { Engine } from '../lifecycle/engine.ts';
import { publish } from '../lifecycle/engine.ts';
import { DEFAULT_DETACH_KEYS, parseDetachKeys } from '../stdio/index.ts';
import { containerOf } from './container-routes.ts';
import { terminalSize } from './stream-routes.ts';

/** Routes of exec. */
export function execRoutes(engine: Engine): Route[] {
  const execOf = (context: RouteContext): Exec => {
    const exec = engine.execs.find(context.params['id'] ?? '');
    if (engine.registry.byId(exec.container.id) === undefined) throw notFound(`No such container: ${exec.container.id}`, 'NO_SUCH_CONTAINER');
    return exec;
  };
  return [
    { method: 'POST', path: '/containers/{id}/exec', handle: async (context) => {
      const container = containerOf(engine, context);
      const request = decodeExecRequest(await context.readJson(), '');
      if (request.DetachKeys !== '') parseDetachKeys(request.DetachKeys);
      const exec = await createExec(engine, container, request);
      context.sendJson(201, { Id: exec.id });
    } },
    { method: 'POST', path: '/exec/{id}/start', hijack: true, handle: async (context) => {
      const exec = execOf(context);
      const body = decodeExecStart(await context.readJson(), '');
      refuseExecStart(exec);
      if (body.Detach) {
        await startExec(engine, exec, undefined);
        context.sendEmpty(200);
        return;
      }
      const { request } = exec;
      const client = await context.hijack({ stream: request.Tty ? 'raw' : 'multiplexed' });
      await startExec(engine, exec, {
        client, hasStdin: request.AttachStdin, output: { stdout: request.AttachStdout, stderr: request.AttachStderr, isFramed: !request.Tty },
        detachKeys: request.Tty ? parseDetachKeys(request.DetachKeys || DEFAULT_DETACH_KEYS) : undefined,
      });
    } },
    { method: 'POST', path: '/exec/{id}/resize', handle: async (context) => {
      const exec = execOf(context);
      const size = terminalSize(context);
      await context.drainBody();
      await resizeExec(engine, exec, size);
      publish(engine, exec.container, 'resize', { height: String(size.height), width: String(size.width) });
      context.sendEmpty(200);
    } },
    { method: 'GET', path: '/exec/{id}/json', handle: (context) => { context.sendJson(200, inspectExec(execOf(context))); } },
  ];
}
