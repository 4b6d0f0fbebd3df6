import { Flags } from '@oclif/core';
import { DrayCommand } from '../command.ts';

/** `dray version`: shows what client and daemon are. */
export default class Version extends DrayCommand {
  static override readonly description = 'Show the Dray version information';
  static override readonly flags = { json: Flags.boolean({ description: 'Print one JSON document' }) };

  async run(): Promise<void> {
    const { flags } = await this.parse(Version);
    const client = { Version: this.config.version, Node: process.versions.node, Os: process.platform, Arch: process.arch };
    if (!flags.json) process.stdout.write(`Client:\n${fields(client)}\n`);
    const server = await this.withClient((connection) => connection.version());
    if (flags.json) process.stdout.write(`${JSON.stringify({ Client: client, Server: server })}\n`);
    else process.stdout.write(`Server:\n${fields({ Version: server.Version, 'API version': `${server.ApiVersion} (minimum version ${server.MinAPIVersion})`, 'OS/Arch': `${server.Os}/${server.Arch}`, Kernel: server.KernelVersion })}${
      (server.Components ?? []).map((component) => ` ${component.Name}: ${component.Version}\n`).join('')}`);
  }
}

const fields = (values: Readonly<Record<string, string>>): string => Object.entries(values).map(([name, value]) => ` ${`${name}:`.padEnd(18)}${value}\n`).join('');
